"""``moments.v1``: what is known of one experiment, as sums over users: what its report is made of, and no more.

Moments of disjoint sets of users add; those of two days of one user do not, for they hold squares of a user's sums.
So they are cut by a hash of the user's id, and ``occupied`` says which values of it there are: two files that have one
in common are refused. They hold no rows and no identifiers of people, requests or items, and no sum over fewer than 10
users but 0; what was left out for that is counted, and ``notes`` says so in words. All sums are exact integers of any
size. Coverage, Gini and novelty, which need impressions by item, are not in them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, field

from recsys.contracts.estimate import Part
from recsys.contracts.report import DataQuality, Input
from recsys.contracts.trial import AssignmentCounts, Served

Count = Annotated[int, Meta(ge=0)]
"""Of users, rows or squares: never below 0, and of any size."""
Bin = Annotated[int, Meta(ge=0, le=40)]
"""Of times: see ``Times``."""
Six = tuple[Count, int, int, Count, int, Count]
"""Over users: how many, Σy, Σn, Σy², Σyn, Σn²."""


class Shard(Part, frozen=True, kw_only=True):
    """Part ``part`` of ``of`` of the users: those whose bucket of 4,096 leaves part − 1 when divided by ``of``."""

    part: Annotated[int, Meta(ge=1, le=4096)]
    of: Annotated[int, Meta(ge=1, le=4096)]


class Cell(Part, frozen=True, kw_only=True):
    """Sums over ``units`` users: of the ``columns``, of how many users have one that is not 0, and of the
    ``products``, in their order."""

    units: Count
    totals: list[int]
    nonzero: list[Count]
    products: list[int]


class SliceValue(Part, frozen=True, kw_only=True):
    """One value of a slice key, or one day, by arm. ``buckets``: arm → sums by bucket of users, of the users themselves
    first, then of the ``columns``; null where they are withheld. Of what users were before the experiment (``pre_…``,
    ``has_history``, ``covariate``, ``has_covariate``) there is nothing here, nor of products with it."""

    value: str
    arms: dict[str, Cell]
    buckets: dict[str, list[list[int]]] | None = None


class Slices(Part, frozen=True, kw_only=True):
    """The values of one key. ``left_out`` others are not among them. ``withheld``: why there are no buckets."""

    key: str
    values: list[SliceValue]
    left_out: Count = 0
    withheld: str = ""


class LatencyCells(Part, frozen=True, kw_only=True):
    """Latencies of one arm: how many (``counts``) of the users of each of ``buckets`` are in each of ``bins``, which
    are 64 for each doubling; ``missing`` exposures have none."""

    buckets: list[Count]
    bins: list[Annotated[int, Meta(ge=-(2**16), le=2**16)]]
    counts: list[Annotated[int, Meta(ge=0, le=2**53)]]
    missing: Count


class RevenueCap(Part, frozen=True, kw_only=True):
    """``micros``: what a user's revenue was cut to, in millionths; ``quantile`` of those that are not 0, null where it
    was declared. ``nonzero`` users have revenue, ``cut`` had more than the cap."""

    micros: Count
    quantile: float | None
    nonzero: Count
    cut: Count


class ArmCounts(Part, frozen=True, kw_only=True):
    """Who counts in one arm, and what they did. ``moments``: figure → units, Σy, Σn, Σy², Σyn, Σn²."""

    units: Count
    in_two_arms: Count
    exposed: Count
    no_value: Count
    odd_value: Count
    exposures: Count
    clicks: Count
    conversions: Count
    value_micros: int
    moments: dict[str, Six]


class StandingCount(Part, frozen=True, kw_only=True):
    """Exposures of one arm (null: of no unit) in one standing."""

    variant: str | None
    standing: str
    n: Count
    empty: Count
    error: Count


class UnjoinedSums(Part, frozen=True, kw_only=True):
    """Outcomes that joined no exposure. ``click_squares``, ``conversion_squares``, and the second numbers of
    ``raising`` and ``lowering`` (sums of values above and below 0) are sums of squares over users."""

    orphan_clicks: Count
    ambiguous_clicks: Count
    orphan_conversions: Count
    ambiguous_conversions: Count
    click_squares: Count
    conversion_squares: Count
    raising: tuple[int, int]
    lowering: tuple[int, int]
    invalid: Count
    lost: Count
    largest_micros: int
    displacing: bool


class MissingRows(Part, frozen=True, kw_only=True):
    """Rows of a log that cannot be read, are in no log, and were read."""

    what: str
    unread: Count
    lost: Count
    read: Count


class CrossedArms(Part, frozen=True, kw_only=True):
    """Units that are in an arm of this experiment and in one of another: (arm, arm of the other, units)."""

    other: str
    cells: list[tuple[str, str, Count]]


class Who(Part, frozen=True, kw_only=True):
    """Who counts. ``crossed_left_out``: other experiments of which a pair of arms has too few users."""

    arms: dict[str, ArmCounts]
    standings: list[StandingCount]
    unjoined: UnjoinedSums
    assignments: AssignmentCounts
    missing: list[MissingRows]
    served: list[Served] | None = None
    crossed: list[CrossedArms] = field(default_factory=list)
    crossed_left_out: list[str] = field(default_factory=list)


class Matched(Part, frozen=True, kw_only=True):
    """``arms``: arm → over the users whom its outcomes name: users, Σ of those that matched, Σ of all, and the squares
    and product. ``unknown``: outcomes that did not match and are of no known arm. ``left_out``: arms of too few."""

    arms: dict[str, Six]
    unknown: Count
    left_out: list[str] = field(default_factory=list)


class OriginKey(Part, frozen=True, kw_only=True):
    """Where units come from: value of a key of their first assignment → arm → units."""

    key: str
    values: dict[str, dict[str, Count]]
    left_out: Count = 0


class Times(Part, frozen=True, kw_only=True):
    """``delays``: arm → event type → bin → outcomes; ``by_end``: end of the data in microseconds since 1970 → arm → bin
    → lists before it. Bin 0 is under a second, bin b under 2^b seconds."""

    delays: dict[str, dict[str, dict[Bin, Count]]]
    by_end: dict[int, dict[str, dict[Bin, Count]]]


class Moments(Part, frozen=True, kw_only=True):
    """``moments.v1``. ``as_of``: nothing later was looked at. ``occupied``: a bit for each of the 4,096 buckets of
    users that has one, from the lowest, in hexadecimal. ``shard``: the part that was cut; null where the command cut
    none. ``errors_known``: by arm, exposures that say whether they were an error. ``shown``: by arm, over
    its users: users, Σ of the assigned requests that have an exposure, Σ of all, and the squares and product.
    ``columns`` and ``products`` (pairs of them) name what cells hold."""

    schema_version: Literal["moments.v1"] = "moments.v1"
    version: str
    created_at: datetime
    experiment_id: str
    effective_config: dict[str, Any]
    as_of: datetime | None
    shard: Shard | None
    occupied: str
    inputs: list[Input]
    notes: list[str]
    data_quality: DataQuality
    errors_known: dict[str, Count]
    shown: dict[str, Six]
    who: Who
    columns: list[str]
    products: list[tuple[str, str]]
    arms: dict[str, Cell]
    slices: list[Slices]
    days: Slices
    latency: dict[str, LatencyCells] | None
    latency_withheld: str = ""
    cap: RevenueCap | None
    matched: Matched
    origins: list[OriginKey]
    times: Times
