"""``history.v1``: what a folder of reports says over time."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from msgspec import field

from recsys.contracts.estimate import Estimate, Part


class PastRun(Part, frozen=True, kw_only=True):
    """One run: its report's file, verdict and version. ``inputs``: equal where runs read the same bytes. ``figures``:
    of an offline run its metrics over all exposures, of an experiment the effects on its metrics."""

    file: str
    run_id: str
    created_at: datetime
    mode: str
    status: str
    headline: str
    version: str
    inputs: str
    figures: dict[str, Estimate] = field(default_factory=dict)


class RunHistory(Part, frozen=True, kw_only=True):
    """``history.v1``. Oldest first. ``unreadable``: files of the folder that are no report, and why."""

    schema_version: Literal["history.v1"] = "history.v1"
    runs: list[PastRun]
    unreadable: list[str] = field(default_factory=list)
