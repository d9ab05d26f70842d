"""A history as Markdown: the runs, and each figure over them."""

from __future__ import annotations

from recsys.contracts.history import RunHistory
from recsys.evaluation.render import words
from recsys.evaluation.render.markdown import cell, code, table


def render(past: RunHistory) -> str:
    """Runs oldest first, then a table of the figures, then the files that are no reports."""
    runs = [
        [
            f"{run.created_at:%Y-%m-%d %H:%M:%S}", run.mode, run.status, cell(run.headline), run.version,
            f"`{run.inputs}`",
        ]
        for run in past.runs
    ]  # fmt: skip
    blocks = [
        f"# {len(past.runs):,} runs",
        table(["time (UTC)", "mode", "verdict", "in words", "version", "inputs"], "llllll", runs) if runs else "",
        _figures(past),
        _unreadable(past),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _figures(past: RunHistory) -> str:
    rows = [
        [
            f"{run.created_at:%Y-%m-%d %H:%M:%S}", cell(name), words.number(figure.value), words.interval(figure),
            cell(figure.note),
        ]
        for name in names(past)
        for run in past.runs
        if (figure := run.figures.get(name)) is not None
    ]  # fmt: skip
    if not rows:
        return ""
    return "## Figures\n\n" + table(["time (UTC)", "figure", "value", "interval", "note"], "llrrl", rows)


def names(past: RunHistory) -> list[str]:
    """The figures of all runs, each once, in the order in which they came."""
    return list(dict.fromkeys(name for run in past.runs for name in run.figures))


def _unreadable(past: RunHistory) -> str:
    if not past.unreadable:
        return ""
    return "## No reports\n\n" + "\n".join(f"- {code(told)}" for told in past.unreadable)
