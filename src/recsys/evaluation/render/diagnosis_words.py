"""What all renderings of a diagnosis say in the same words."""

from __future__ import annotations

from datetime import datetime

from recsys.contracts.diagnosis import Check, Diagnosis, Effect, Evidence, Finding

SINCE_BASELINE = {"new": "new since the baseline", "worse": "worse than the baseline",
                  "better": "better than the baseline", "same": "as in the baseline", "": ""}  # fmt: skip


def extent(evidence: Evidence) -> str:
    """``61 of 638 outcomes (9.56 %), 2026-02-02 00:10:03 to 2026-02-04 23:58:00 UTC``."""
    share = "" if evidence.share is None else f" ({percent(evidence.share)})"
    told = f"{evidence.rows:,} of {evidence.of:,} {evidence.unit or evidence.log}{share}"
    if evidence.first is not None and evidence.last is not None:
        told += f", {instant(evidence.first)} to {instant(evidence.last)} UTC"
    return told


def percent(share: float) -> str:
    """A share in words, never 0 % or 100 % where it is not."""
    if 0 < share < 0.0001:
        return "under 0.01 %"
    return "over 99.99 %" if 0.9999 < share < 1 else f"{share:.2%}".replace("%", " %")


def instant(moment: datetime) -> str:
    """To the second."""
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def effect(found: Effect) -> str:
    """``ctr 0.0310 as logged, 0.0430 without the fault``."""
    told = f"{found.metric} {_figure(found.as_logged)} as logged, {_figure(found.without)} without the fault"
    return f"{told}. {found.note}" if found.note else told


def _figure(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4f}"


def places(finding: Finding) -> str:
    """The sample lines, such as ``outcomes.jsonl:17, outcomes.jsonl:40``."""
    return ", ".join(f"{sample.file}:{sample.line}" for sample in finding.evidence.samples)


def unable(diagnosis: Diagnosis) -> list[Check]:
    """The detectors that could not look."""
    return [check for check in diagnosis.checks if check.unable]


def details(finding: Finding) -> list[tuple[str, str]]:
    """What is told of a finding beside its cause: (heading, text), the empty ones left out."""
    evidence = finding.evidence
    told = [
        ("since", "" if evidence.onset is None else f"{instant(evidence.onset)} UTC"),
        ("rows", extent(evidence)),
        *(("seen", fact) for fact in evidence.facts),
        ("lines", places(finding)),
        ("effect", "" if finding.effect is None else effect(finding.effect)),
        ("fix", finding.fix),
        ("then", SINCE_BASELINE[finding.since_baseline]),
    ]
    return [(heading, text) for heading, text in told if text]
