"""``report.v1``: what an evaluation found, from which inputs, under which configuration.

A report holds no rows and no identifiers of people or requests. Optional figures are ``null`` where they cannot be
known, never a made-up number; ``note`` then says why.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from msgspec import Struct, field

from recsys.contracts.buckets import Buckets
from recsys.contracts.estimate import Estimate as Estimate
from recsys.contracts.experiment import AACheck, ExperimentReport
from recsys.contracts.report_comparison import GateResult, ReportComparison

UNKNOWN = "unknown"
"""The slice value of rows whose slicing key is absent; shown and never dropped."""


class _Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all parts of a report share."""


class Rate(_Part, frozen=True, kw_only=True):
    """A share with its parts. ``value`` is null where the denominator is 0."""

    value: float | None
    numerator: int
    denominator: int


class Input(_Part, frozen=True, kw_only=True):
    """One file that was read: its role, name, content hash, and what validation said of its lines."""

    role: Literal["exposures", "outcomes", "assignments", "items"]
    path: str
    bytes: int
    sha256: str
    rows: int
    invalid: int


class Fates(_Part, frozen=True, kw_only=True):
    """The fate of every outcome row, in the order in which they are decided; they add up to ``rows``.

    ``user_mismatch`` and ``later_touch`` are 0 unless the attribution policy refuses such outcomes.
    """

    rows: int
    invalid: int = 0
    duplicate: int = 0
    orphan: int = 0
    ambiguous: int = 0
    not_in_list: int = 0
    before_exposure: int = 0
    after_window: int = 0
    user_mismatch: int = 0
    later_touch: int = 0
    attributed: int = 0


class Rates(_Part, frozen=True, kw_only=True):
    """Valid, match and attribution rate are over outcomes; join rate is over exposures (a response rate)."""

    valid: Rate
    match: Rate
    attribution: Rate
    join: Rate


class SliceQuality(_Part, frozen=True, kw_only=True):
    """Exposures, fates and rates of one value of one key (``day``, ``event_type``, or a slice key)."""

    key: str
    value: str
    exposures: int
    fates: Fates
    rates: Rates


class ExposureQuality(_Part, frozen=True, kw_only=True):
    """What the exposure rows are: ``rows = invalid + redelivered + distinct``; the rest count findings."""

    rows: int
    invalid: int
    redelivered: int
    distinct: int
    impressions: int
    users: int
    ambiguous: int = 0
    empty: int = 0
    error: int = 0
    anonymous: int = 0
    repeated_rank: int = 0
    repeated_item: int = 0
    rank_gap: int = 0
    zero_propensity: int = 0
    first_ts: datetime | None = None
    last_ts: datetime | None = None


class KnownGap(_Part, frozen=True, kw_only=True):
    """Records that are in no log, as the index beside ``file`` tells: ``lost`` (shown or written, and gone) or
    ``refused`` (nothing was shown, or the sender was told to send again), from ``first`` to ``last``."""

    log: Literal["exposures", "outcomes", "assignments"]
    file: str
    lost: int
    refused: int
    first: datetime
    last: datetime
    reason: str


class DataQuality(_Part, frozen=True, kw_only=True):
    """Whether the logs can be believed. ``lost_…`` and ``refused`` are sums of ``gaps``; ``aliases``: pseudonyms
    of an earlier salt that are taken for their present ones, counted. ``inferred_outcomes``: orphans, which they stay,
    that the policy's fallback credits to a list of the same user."""

    exposures: ExposureQuality
    fates: Fates
    rates: Rates
    conflicting_duplicates: int = 0
    user_mismatch: int = 0
    anonymous_outcomes: int = 0
    missing_keys: dict[str, int] = field(default_factory=dict)
    """Slicing key → distinct exposures that lack it."""
    by: list[SliceQuality] = field(default_factory=list)
    gaps: list[KnownGap] = field(default_factory=list)
    lost_exposures: int = 0
    lost_outcomes: int = 0
    lost_assignments: int = 0
    refused: int = 0
    aliases: int = 0
    inferred_outcomes: int = 0


class MetricResult(_Part, frozen=True, kw_only=True):
    """One metric in one slice; ``slice_key`` and ``slice_value`` are empty for all exposures together."""

    metric: str
    slice_key: str = ""
    slice_value: str = ""
    estimate: Estimate


class CutSlices(_Part, frozen=True, kw_only=True):
    """A slice key with more ``values`` than are ``reported``, which are those with the most exposures. ``most_users``:
    the most users that one of the others has."""

    key: str
    values: int
    reported: int
    most_users: int


class RankPoint(_Part, frozen=True, kw_only=True):
    """What happened at one rank. ``share`` is that rank's share of all attributed clicks on what was in the list."""

    rank: int
    impressions: int
    clicks: int
    share: float | None


class PositionPoint(_Part, frozen=True, kw_only=True):
    """How likely rank ``rank`` is looked at in relation to rank 1, by ``impressions`` at it of items that chance put
    also at the rank above it (of rank 1: at the rank below it), which are ``strata`` pairs of a query and an item."""

    rank: int
    examination: float
    low: float | None
    high: float | None
    impressions: int
    strata: int
    note: str = ""


class PositionBias(_Part, frozen=True, kw_only=True):
    """How much a rank by itself is looked at, as far as ranks varied by chance; else ``reason`` says why it is not
    identified. ``click_rate`` is attributed clicks per impression at the ranks of ``points``, in all lists;
    ``corrected_click_rate`` what it would be if all of them were looked at as rank 1 is."""

    status: Literal["identified", "not identified"]
    reason: str = ""
    points: list[PositionPoint] = field(default_factory=list)
    click_rate: Estimate | None = None
    corrected_click_rate: Estimate | None = None
    level: float | None = None
    note: str = ""


class HourPoint(_Part, frozen=True, kw_only=True):
    """One hour (UTC), or one day where there are more hours than 62 days have: distinct exposures, outcomes that could
    match, and their match rate."""

    hour: datetime
    exposures: int
    outcomes: int
    match_rate: float | None


class Summary(_Part, frozen=True, kw_only=True):
    """The verdict on the run. ``pass`` says that the figures can be read, not that a change is good; of an experiment
    it is the decision, of several candidates the gravest; ``fail`` is a check or a gate that failed."""

    status: Literal["pass", "hold", "ship", "rollback", "fail"]
    reasons: list[str] = field(default_factory=list)
    headline: str = ""


class Report(_Part, frozen=True, kw_only=True):
    """``report.v1``."""

    schema_version: Literal["report.v1"] = "report.v1"
    run_id: str
    mode: Literal["offline", "experiment", "aa-check"]
    created_at: datetime
    version: str
    effective_config: dict[str, Any]
    inputs: list[Input]
    summary: Summary
    data_quality: DataQuality
    results: list[MetricResult]
    cut_slices: list[CutSlices] = field(default_factory=list)
    clicks_by_rank: list[RankPoint] = field(default_factory=list)
    position_bias: PositionBias | None = None
    hours: list[HourPoint] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    buckets: Buckets | None = None
    comparison: ReportComparison | None = None
    gates: list[GateResult] = field(default_factory=list)
    experiment: ExperimentReport | None = None
    aa_check: AACheck | None = None
