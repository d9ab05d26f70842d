"""``report_comparison.v1``: two reports, metric by metric, and what gates say of it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import field

from recsys.contracts.estimate import Estimate, Part


class Compared(Part, frozen=True, kw_only=True):
    """Which report it was: its run, its verdict on its own logs, and what it is about."""

    run_id: str
    created_at: datetime
    version: str
    status: str
    exposures: int
    impressions: int


class Change(Part, frozen=True, kw_only=True):
    """One metric in one slice: both values, and candidate − baseline in the metric's own direction. ``change.value`` is
    null where the two are not compared; its note says why."""

    metric: str
    slice_key: str = ""
    slice_value: str = ""
    better: Literal["higher", "lower"]
    baseline: float | None
    candidate: float | None
    change: Estimate


class ReportComparison(Part, frozen=True, kw_only=True):
    """``report_comparison.v1``. ``same_requests``: both reports are of the same request ids. ``identical``: both are of
    the same bytes under the same settings, so nothing can differ. ``label`` says what the comparison is worth, and
    ``notes`` what differs in the settings."""

    schema_version: Literal["report_comparison.v1"] = "report_comparison.v1"
    baseline: Compared
    candidate: Compared
    same_requests: bool
    identical: bool
    label: str
    notes: list[str] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)


class GateResult(Part, frozen=True, kw_only=True):
    """A gate, and in the case of a slice key one value of it: ``pass`` where the change is no drop of more than
    ``max_drop`` beyond chance, ``fail`` where it is one, else ``inconclusive``. ``gain``: the change, + is good."""

    metric: str
    max_drop: float
    slice_key: str = ""
    slice_value: str = ""
    status: Literal["pass", "fail", "inconclusive"]
    gain: Estimate | None = None
    told: str
