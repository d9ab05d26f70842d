"""A comparison of two reports as Markdown that fits a pull request."""

from __future__ import annotations

from collections.abc import Sequence

from recsys.contracts.report_comparison import GateResult, ReportComparison
from recsys.evaluation.render import compared_words as words
from recsys.evaluation.render.markdown import cell, table


def render(comparison: ReportComparison) -> str:
    """The whole: what it is worth, then the changes."""
    told = [f"# Two runs compared\n\n**{cell(comparison.label)}**", *section(comparison)[1:]]
    return "\n\n".join(told) + "\n"


def section(comparison: ReportComparison) -> list[str]:
    """The same as a part of a report."""
    headings = [f"{words.level(comparison)} interval".strip() if h == "interval" else h for h in words.HEADINGS]
    slices, more = words.slice_rows(comparison)
    blocks = [
        f"## Against the baseline\n\n**{cell(comparison.label)}**",
        cell(words.origin(comparison)),
        "\n".join(f"- {cell(note)}" for note in comparison.notes),
        words.MEANING,
        table(headings, words.ALIGN, [[*map(cell, row)] for row in words.rows(comparison)]),
    ]
    if slices:
        beyond = f"\n\n{more:,} more are in the JSON." if more else ""
        listed = table(["slice", *headings], "l" + words.ALIGN, [[*map(cell, row)] for row in slices])
        blocks.append(
            f"Slices that changed beyond chance, each for itself; of many, some do by chance:\n\n{listed}{beyond}"
        )
    return [block for block in blocks if block]


def gates(results: Sequence[GateResult]) -> list[str]:
    """The gates of a report; nothing where it has none."""
    if not results:
        return []
    listed = table(["gate", "verdict", "why"], "lll", [[*map(cell, row)] for row in words.gate_rows(results)])
    return [f"## Gates\n\n{words.GATE_MEANING}\n\n{listed}"]
