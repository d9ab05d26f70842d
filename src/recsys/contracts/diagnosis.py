"""``diagnosis.v1``: what the doctor found in the logs: causes, evidence, effect and fix.

A diagnosis holds no identifiers of people or requests: a sample is the place of a line, not its content.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from msgspec import Struct, field

from recsys.contracts.report import Input

Severity = Literal["warning", "serious"]


class _Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all parts of a diagnosis share."""


class Sample(_Part, frozen=True, kw_only=True):
    """One of the rows that a finding is about: its file, and its line there (of Parquet the row), from 1."""

    file: str
    line: int


class Effect(_Part, frozen=True, kw_only=True):
    """What the finding does to the headline metric: the figure as it is logged, and as it would be without the fault,
    as far as that can be estimated (null where it cannot; ``note`` says why, or how)."""

    metric: str
    as_logged: float | None
    without: float | None
    note: str = ""


class Evidence(_Part, frozen=True, kw_only=True):
    """``rows`` of ``of`` rows of the log (or of ``unit``, where something else is counted) are concerned, from
    ``first`` to ``last`` by their own time; ``onset``: when it began, where that can be told. ``facts``: what else was
    seen, in words."""

    log: Literal["exposures", "outcomes", "assignments"]
    rows: int
    of: int
    unit: str = ""
    first: datetime | None = None
    last: datetime | None = None
    onset: datetime | None = None
    facts: list[str] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)

    @property
    def share(self) -> float | None:
        """``rows`` ÷ ``of``."""
        return self.rows / self.of if self.of else None


class Finding(_Part, frozen=True, kw_only=True):
    """One cause. ``nested``: findings about the same rows, which this cause explains. ``since_baseline`` is empty
    without a baseline."""

    detector: str
    subject: str
    """What it is about within the detector, such as a column or a context value; empty where there is one subject."""
    severity: Severity
    cause: str
    evidence: Evidence
    effect: Effect | None
    fix: str
    since_baseline: Literal["", "new", "worse", "same", "better"] = ""
    nested: list[Finding] = field(default_factory=list)


class Check(_Part, frozen=True, kw_only=True):
    """One detector: what it asked, and whether it could. ``found`` counts its findings, nested ones too; ``unable``
    says what it lacked."""

    detector: str
    question: str
    found: int = 0
    unable: str = ""


class Bill(_Part, frozen=True, kw_only=True):
    """The verdict in one line, and the headline figures of the logs as they are. ``value`` is that of ``metric``: ctr,
    or conversion_rate where nobody clicks."""

    status: Literal["clean", "warnings", "serious"]
    headline: str
    exposures: int
    outcomes: int
    match_rate: float | None
    metric: str
    value: float | None


class Diagnosis(_Part, frozen=True, kw_only=True):
    """``diagnosis.v1``. ``findings`` are causes, the most serious first. ``gone``: what a baseline had and this has
    not; ``notes`` say what to know of the comparison. ``as_of``: the instant that counts as now."""

    schema_version: Literal["diagnosis.v1"] = "diagnosis.v1"
    created_at: datetime
    as_of: datetime
    version: str
    inputs: list[Input]
    effective_config: dict[str, Any]
    bill: Bill
    findings: list[Finding]
    checks: list[Check]
    gone: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
