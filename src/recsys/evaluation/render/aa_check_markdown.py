"""A check of our own tests as Markdown."""

from __future__ import annotations

from recsys.contracts.report import Report
from recsys.evaluation.render import aa_check_words as words
from recsys.evaluation.render.experiment_markdown import drawn, origin, prose


def render(report: Report) -> str:
    """The whole report."""
    check, cells = report.aa_check, words.cells(report.aa_check)
    reasons = "\n".join(f"- {prose(reason)}" for reason in report.summary.reasons)
    notes = "\n".join(f"- {prose(note)}" for note in report.warnings)
    blocks = [
        f"# {prose(words.title(report))}",
        f"**{report.summary.status.upper()}** {prose(words.meaning(report))} {prose(report.summary.headline)}".rstrip(),
        reasons,
        words.TOLD,
        drawn(cells) if cells.rows else "",
        "" if check is None else f"{words.UNIFORM} {words.how(check)}",
        f"## Notes\n\n{notes}" if notes else "",
        origin(report),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"
