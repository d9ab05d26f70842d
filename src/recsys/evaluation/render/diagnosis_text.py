"""A diagnosis as text for a terminal: the bill in one line, then each cause with its evidence, effect and fix."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from recsys.contracts.diagnosis import Diagnosis, Finding
from recsys.evaluation.render import diagnosis_words as words
from recsys.text import printable

WIDTH = 100
INDENT = 2
HEADING = 8


def render(diagnosis: Diagnosis) -> str:
    """All of it; of clean logs one line, and what is gone since the baseline."""
    blocks = [diagnosis.bill.headline]
    blocks += ["\n".join(_finding(finding, 0)) for finding in diagnosis.findings]
    if diagnosis.gone:
        blocks.append(_wrapped("Gone since the baseline: ", ", ".join(diagnosis.gone) + "."))
    blocks += [_wrapped("Note: ", note) for note in diagnosis.notes]
    blocks += _unable(diagnosis) if diagnosis.findings else []
    return "\n".join(printable(line) for line in "\n\n".join(blocks).split("\n")) + "\n"


def _finding(finding: Finding, depth: int) -> Iterator[str]:
    margin = " " * (INDENT * depth)
    mark = "serious" if finding.severity == "serious" else "warning"
    title = f"{mark}: {finding.detector}" if not depth else f"explained by it: {finding.detector}"
    yield f"{margin}{title}"
    yield _wrapped("", finding.cause, margin=depth + 1)
    for heading, text in words.details(finding):
        yield _wrapped(f"{heading:<{HEADING}}", text, margin=depth + 1)
    for nested in finding.nested:
        yield from _finding(nested, depth + 1)


def _wrapped(heading: str, text: str, *, margin: int = 0) -> str:
    first = " " * (INDENT * margin) + heading
    return textwrap.fill(
        text, WIDTH, initial_indent=first, subsequent_indent=" " * len(first), break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


def _unable(diagnosis: Diagnosis) -> list[str]:
    """Which detectors could not look, and why; those with one reason together."""
    reasons: dict[str, list[str]] = {}
    for check in words.unable(diagnosis):
        reasons.setdefault(check.unable, []).append(check.detector)
    return [_wrapped("Not looked at: ", f"{', '.join(names)} ({why}).") for why, names in reasons.items()]
