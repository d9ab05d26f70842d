"""A diagnosis as Markdown that fits a pull request."""

from __future__ import annotations

from collections.abc import Iterator

from recsys.contracts.diagnosis import Diagnosis, Finding
from recsys.evaluation.render import diagnosis_words as words
from recsys.evaluation.render.markdown import cell, code, table


def render(diagnosis: Diagnosis) -> str:
    """The whole diagnosis."""
    blocks = [f"# Diagnosis of the logs\n\n**{cell(diagnosis.bill.headline)}**"]
    blocks += ["\n".join(_finding(finding, 0)) for finding in diagnosis.findings]
    if diagnosis.gone:
        blocks.append(f"Gone since the baseline: {', '.join(map(code, diagnosis.gone))}.")
    blocks += [cell(note) for note in diagnosis.notes]
    blocks += [_checks(diagnosis), _origin(diagnosis)]
    return "\n\n".join(blocks) + "\n"


def _finding(finding: Finding, depth: int) -> Iterator[str]:
    margin = "  " * depth
    if not depth:
        yield f"## {finding.severity.capitalize()}: {finding.detector}\n\n{cell(finding.cause)}\n"
    else:
        yield f"{margin}- explained by it: {code(finding.detector)}. {cell(finding.cause)}"
    for heading, text in words.details(finding):
        yield f"{margin}{'  ' if depth else ''}- {heading}: {cell(text)}"
    for nested in finding.nested:
        yield from _finding(nested, depth + 1)


def _checks(diagnosis: Diagnosis) -> str:
    rows = [
        [check.detector, cell(check.question), cell(check.unable or (f"{check.found} found" if check.found else "no"))]
        for check in diagnosis.checks
    ]
    return "## What was asked\n\n" + table(["detector", "question", "found"], "lll", rows)


def _origin(diagnosis: Diagnosis) -> str:
    rows = [
        [part.role, code(part.path), f"{part.rows:,}", f"{part.invalid:,}", f"`{part.sha256[:12]}`"]
        for part in diagnosis.inputs
    ]
    told = f"{diagnosis.created_at:%Y-%m-%d %H:%M:%S} UTC, recsys-suite {diagnosis.version}."
    return f"## Where it came from\n\n{told}\n\n" + table(
        ["input", "file", "rows", "invalid", "sha-256"], "llrrl", rows
    )
