"""What a report says of an experiment: who counts, and for each candidate the decision with all that stands beside it.

It holds no identifiers of people or requests. Optional figures are ``null`` where they cannot be known; ``note`` then
says why.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import field

from recsys.contracts.decision import Decision, Effect, Measured
from recsys.contracts.estimate import Estimate, Part
from recsys.contracts.trial import Trial


class SliceEffect(Part, frozen=True, kw_only=True):
    """The effect on one metric within one value of a slice key; ``adjusted_p``: corrected within its family, all slices
    of all primary metrics."""

    key: str
    value: str
    metric: str
    control: Estimate
    candidate: Estimate
    effect: Effect
    adjusted_p: float | None = None


class Interaction(Part, frozen=True, kw_only=True):
    """Does the effect differ between the values of a key? ``p`` of "it does not", users as units."""

    key: str
    metric: str
    slices: int
    statistic: float | None = None
    p: float | None = None
    adjusted_p: float | None = None
    note: str = ""


class DayEffect(Part, frozen=True, kw_only=True):
    """One UTC day: the arms' exposures, and the effect of that day alone."""

    day: str
    metric: str
    control: Estimate
    candidate: Estimate
    effect: Effect


class Candidate(Part, frozen=True, kw_only=True):
    """One arm against the control. ``exposures_per_user`` stands beside the ratios, whose denominator it is."""

    decision: Decision
    exposures_per_user: Measured
    secondary: list[Measured] = field(default_factory=list)
    slices: list[SliceEffect] = field(default_factory=list)
    interactions: list[Interaction] = field(default_factory=list)
    days: list[DayEffect] = field(default_factory=list)


class RunningSampleRatio(Part, frozen=True, kw_only=True):
    """The sample ratio while the experiment runs: ``log_e`` is the natural logarithm of the evidence against the
    declared shares, which may be looked at as often as one likes; the alarm is at ``limit``."""

    log_e: float | None
    limit: float
    alarm: bool
    note: str = ""


class Source(Part, frozen=True, kw_only=True):
    """Where a sample ratio mismatch may come from: units of one value of a key by arm, against the declared shares.
    ``share``: of the whole mismatch, which would go if this value did."""

    key: str
    value: str
    observed: dict[str, int]
    expected: dict[str, float]
    share: float | None
    p: float | None


class Maturity(Part, frozen=True, kw_only=True):
    """How late outcomes come. ``p50_s``…``p99_s``: delays of those that came, in seconds, as the upper end of a step of
    a doubling. ``young``: share of the exposures that count which are younger than ``p99_s`` at the end of the data."""

    event_type: str
    outcomes: int
    p50_s: float | None
    p90_s: float | None
    p99_s: float | None
    window_s: float | None
    young: float | None
    note: str = ""


class Corrections(Part, frozen=True, kw_only=True):
    """How a family of tests is corrected: ``tests`` of them have a p-value."""

    family: str
    method: str
    tests: int
    alpha: float


class ExperimentReport(Part, frozen=True, kw_only=True):
    """One experiment, one candidate after the other."""

    trial: Trial
    candidates: list[Candidate]
    running_sample_ratio: RunningSampleRatio | None = None
    sources: list[Source] = field(default_factory=list)
    maturity: list[Maturity] = field(default_factory=list)
    families: list[Corrections] = field(default_factory=list)
    shards: list[str] = field(default_factory=list)


class AACell(Part, frozen=True, kw_only=True):
    """One metric under re-randomisation: ``rejected`` is the share of splits with p < 0.05; ``ks_p`` of "p-values are
    uniform"."""

    metric: str
    splits: int
    units: int
    rejected: float | None
    ks: float | None
    ks_p: float | None
    status: Literal["pass", "fail", "unusable"]
    note: str = ""


class AACheck(Part, frozen=True, kw_only=True):
    """Do our tests hold their error rate on this log? Units are split at random ``splits`` times; nothing differs, so
    p-values must be uniform."""

    experiment_id: str | None
    seed: int
    as_of: datetime | None = None
    cells: list[AACell]
