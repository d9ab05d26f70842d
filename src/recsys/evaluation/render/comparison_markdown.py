"""A comparison of policies as Markdown that fits a pull request: the verdict first."""

from __future__ import annotations

from recsys.contracts.comparison import Comparison
from recsys.evaluation.render import comparison_words as words
from recsys.evaluation.render.markdown import cell, code, table


def render(comparison: Comparison) -> str:
    """The verdict, what depends on the policy, the tables, and where it came from."""
    exposures = comparison.exposures
    points = [*(each.told for each in comparison.disagreements), *words.notes(comparison)]
    origin = [
        [part.role, code(part.path), f"{part.rows:,}", f"{part.invalid:,}", f"`{part.sha256[:12]}`"]
        for part in comparison.inputs
    ]
    blocks = [
        f"# Attribution under {len(comparison.policies)} policies\n\n**{cell(comparison.verdict)}**",
        "\n".join(f"- {cell(point)}" for point in points),
        f"{exposures.distinct:,} exposures to {exposures.users:,} users, under each policy.",
        *(_section(cells) for cells in words.tables(comparison)),
        f"## How they are compared\n\n{cell(comparison.method)}",
        "## Where it came from\n\n" + table(["input", "file", "rows", "invalid", "sha-256"], "llrrl", origin),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _section(cells: words.Cells) -> str:
    rows = [[cell(text) for text in row] for row in cells.rows]
    return f"## {cells.title}\n\n{table([cell(word) for word in cells.headings], cells.align, rows)}"
