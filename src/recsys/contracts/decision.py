"""``decision.v1``: ship, hold or rollback, with the whole evidence that it follows from.

The decision is a function of the rest of the document, so that anybody can compute it again. It holds no identifiers of
people or requests. Optional figures are ``null`` where they cannot be known; ``note`` then says why.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import field

from recsys.contracts.estimate import Estimate, Part

Verdict = Literal["ship", "hold", "rollback"]
Better = Literal["higher", "lower"]
Sense = Literal["at least", "at most", "below"]


class Effect(Part, frozen=True, kw_only=True):
    """Candidate − control, in the metric's own direction and unit, and relative to the control.

    ``bounded``: whether the relative interval is an interval; where the control may be 0 it is not. ``corrections``:
    what the interval contains. ``p``: two-sided, of "no effect"; under a sequence valid at every look.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    relative: float | None = None
    relative_low: float | None = None
    relative_high: float | None = None
    bounded: bool = False
    se: float | None = None
    level: float | None = None
    method: str = ""
    corrections: list[str] = field(default_factory=list)
    p: float | None = None
    note: str = ""


class Cuped(Part, frozen=True, kw_only=True):
    """What the adjustment did: ``reduction`` is the share of the variance that it took away. ``balance_p``: of "the
    covariate is the same in both arms", which chance decides where nothing is wrong."""

    covariate: str
    reduction: float | None
    missing: dict[str, int]
    balance: float | None
    balance_p: float | None
    used: bool
    note: str = ""


class Cap(Part, frozen=True, kw_only=True):
    """What a unit's revenue is cut to: the pooled ``quantile`` of those that are not 0, or a value that was declared.
    ``units``: how many are cut."""

    value: float
    declared: bool
    quantile: float | None
    units: int


class Measured(Part, frozen=True, kw_only=True):
    """One metric of two arms. ``effect`` decides; ``unadjusted`` and ``uncapped`` stand beside it where it is adjusted
    or capped. ``threshold``: what an improvement must exceed, ``relative`` or in the metric's unit. ``nonzero``: units
    of each arm whose value is not 0; ``too_few`` says why they do not suffice for a decision, or is empty.
    ``adjusted_p``: with its family's correction for many metrics."""

    metric: str
    words: str
    better: Better
    control: Estimate
    candidate: Estimate
    effect: Effect
    unadjusted: Effect | None = None
    uncapped: Effect | None = None
    cuped: Cuped | None = None
    cap: Cap | None = None
    threshold: float = 0.0
    relative_threshold: bool = False
    nonzero: dict[str, int] = field(default_factory=dict)
    too_few: str = ""
    adjusted_p: float | None = None


class Guardrail(Part, frozen=True, kw_only=True):
    """What must not get worse. ``margin``: the most by which the candidate may be worse than the control, ``relative``
    to it or in the metric's unit. ``limit``: an absolute cap on the candidate's own level. One of both is given.

    ``low`` and ``high`` are the bounds of what is compared with it: of the harm (+ is worse), or of the level.
    """

    metric: str
    words: str
    better: Better
    margin: float | None = None
    relative: bool = False
    limit: float | None = None
    control: Estimate
    candidate: Estimate
    value: float | None = None
    low: float | None = None
    high: float | None = None
    level: float | None = None
    method: str = ""
    corrections: list[str] = field(default_factory=list)
    cases: int | None = None
    status: Literal["pass", "fail", "inconclusive"] = "inconclusive"
    note: str = ""


class Check(Part, frozen=True, kw_only=True):
    """One question of integrity: ``value`` must be ``at least``, ``at most`` or ``below`` the ``limit``; null is a
    failure. ``told`` says in words what was found."""

    name: str
    value: float | None
    sense: Sense
    limit: float
    told: str


class Rule(Part, frozen=True, kw_only=True):
    """How intervals are made and used. ``sequence``: they hold at every look, else at this one alone. ``may_ship``:
    false before a declared horizon. ``alpha`` is of the experiment, ``alpha_each`` of one interval of a primary metric
    after the division by ``candidates`` and, where one primary suffices, by the primaries. ``decides``: whether a
    decision was asked for; without one it is a hold."""

    sequence: bool
    decides: bool = True
    may_ship: bool
    primary: Literal["all", "any"]
    alpha: float
    alpha_each: float
    candidates: int
    planned_units: int | None = None
    horizon: datetime | None = None
    data_until: datetime | None = None
    told: str = ""


class Needed(Part, frozen=True, kw_only=True):
    """The sample for the declared effect of a primary metric. ``effect`` is relative to the control, and so is
    ``minimum_effect``, what the present sample can find. ``units``: of both arms, null where it cannot be said."""

    metric: str
    effect: float | None
    power: float
    units: int | None
    have: int
    minimum_effect: float | None
    note: str = ""


class Decision(Part, frozen=True, kw_only=True):
    """``decision.v1``. ``harm_suspected``: on hold for want of integrity, and a guardrail of errors, empty lists or
    latency fails: what breaks an arm also breaks its log."""

    schema_version: Literal["decision.v1"] = "decision.v1"
    decision: Verdict
    reasons: list[str]
    harm_suspected: bool = False
    experiment_id: str
    control: str
    candidate: str
    created_at: datetime
    version: str
    inputs_sha256: str
    rule: Rule
    integrity: list[Check]
    metrics: list[Measured]
    guardrails: list[Guardrail]
    needed: list[Needed] = field(default_factory=list)
