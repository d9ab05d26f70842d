"""What an experiment's logs hold: who counts, the figures by arm, their differences, and whether to believe them.

It holds no identifiers of people or requests. Optional figures are ``null`` where they cannot be known; ``note`` then
says why. It is no decision: nothing here says that a variant is better.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import Struct, field

from recsys.contracts.estimate import Estimate


class _Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all parts share."""


class AssignmentCounts(_Part, frozen=True, kw_only=True):
    """Assignment rows of the experiment: ``repeated`` stand there again word for word and count once, ``anonymous``
    name nobody and make no unit. ``requests`` are named by the rows; ``without_exposure`` of these have no exposure.
    ``units_with_several``: units that several different rows name, be it for one arm or for two."""

    rows: int
    repeated: int
    anonymous: int
    requests: int
    without_exposure: int
    units_with_several: int = 0


class ExposureCounts(_Part, frozen=True, kw_only=True):
    """Distinct exposures that an assignment row names, or that were shown to a unit. Each is in one place:

    ``counts``; or ``anonymous``; ``other_user``: its user is no unit, or the request was assigned to somebody else;
    ``before_assignment`` of its unit; ``unassigned``: it has no assignment row, and the scope is ``request``;
    ``ambiguous``: another list stands under its request_id; ``too_recent``: its window was open at ``as_of``.
    """

    counts: int = 0
    anonymous: int = 0
    other_user: int = 0
    before_assignment: int = 0
    unassigned: int = 0
    ambiguous: int = 0
    too_recent: int = 0


class Arm(_Part, frozen=True, kw_only=True):
    """One arm: its units (``in_two_arms`` of them were assigned to another arm later, ``exposed`` have an exposure that
    counts), its exposures, ``empty`` and ``error`` ones among them, and what is attributed to these.

    ``value`` is the sum of the conversions' values; ``no_value`` conversions have none, ``odd_value`` one beyond
    ±10¹², which is no sum of money: both count as conversions of value 0. ``estimates``: by figure.
    """

    variant: str
    units: int
    in_two_arms: int
    exposed: int
    exposures: int
    empty: int
    error: int
    clicks: int
    conversions: int
    value: float
    no_value: int
    odd_value: int
    estimates: dict[str, Estimate]


class Served(_Part, frozen=True, kw_only=True):
    """Exposures that count and name a variant of the experiment in their context, by the arm that was ``assigned`` (by
    the row of their own request, else to their unit) and by the one that they say was ``shown``; null: no arm."""

    assigned: str
    shown: str | None
    exposures: int


class Unjoined(_Part, frozen=True, kw_only=True):
    """Outcomes that joined no exposure: orphan and ambiguous ones, invalid lines, and those that are known to be in no
    log. They may belong to any arm, or to none."""

    orphan: int
    ambiguous: int
    invalid: int
    lost: int


class Bounds(_Part, frozen=True, kw_only=True):
    """The figure with all that did not join credited to where it lowers it most, and to where it raises it most, each
    with its interval. ``flips``: the share of what did not join that would take a difference to 0 if it all spoke
    against it, beyond which the sign turns; null where not even all of it would."""

    low: Estimate
    high: Estimate
    flips: float | None = None
    note: str = ""


class Effect(_Part, frozen=True, kw_only=True):
    """The difference of one figure, candidate − control, as ``label`` says; ``bounds`` are null where nothing that did
    not join could change it."""

    metric: str
    label: str
    control: str
    candidate: str
    estimate: Estimate
    bounds: Bounds | None = None


class SampleRatio(_Part, frozen=True, kw_only=True):
    """Units by arm, ``observed`` and ``expected``. ``declared``: whether the arms and their weights were given; else
    those that were seen should be equal. ``p`` is null where there is nothing to compare."""

    observed: dict[str, int]
    expected: dict[str, float]
    declared: bool
    statistic: float | None
    p: float | None
    method: str
    absent: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    note: str = ""


class Independence(_Part, frozen=True, kw_only=True):
    """Chi-square of the arms of this experiment against those of ``other`` over the ``units`` that both have."""

    other: str
    units: int
    degrees: int
    statistic: float | None
    p: float | None
    note: str = ""


class Trial(_Part, frozen=True, kw_only=True):
    """One experiment. ``window_s``: how long before ``as_of`` a list must have been shown to count. ``control_named``:
    whether somebody named the control; else it is the first arm in order. ``reasons``: why the figures cannot be relied
    on. ``notes``: what a reader should know though it is no reason. ``served``: by what was assigned and what was
    shown; null where the keys ``experiment_id`` and ``experiment_variant`` of the context were not read."""

    experiment_id: str
    scope: Literal["request", "user"]
    as_of: datetime | None
    window_s: float
    control: str | None
    control_named: bool
    units: int
    in_two_arms: int
    assignments: AssignmentCounts
    exposures: ExposureCounts
    arms: list[Arm]
    effects: list[Effect]
    unjoined: Unjoined
    sample_ratio: SampleRatio
    served: list[Served] | None = None
    independence: list[Independence] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class LogFigure(_Part, frozen=True, kw_only=True):
    """A figure of the log as a whole, users as units, and its bounds: with none of the outcomes that did not join, and
    with all of them."""

    metric: str
    estimate: Estimate
    bounds: Bounds | None = None
