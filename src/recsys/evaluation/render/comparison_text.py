"""A comparison of policies for a terminal: tables, then the verdict."""

from __future__ import annotations

import textwrap
from io import StringIO

from rich import box
from rich.console import Console
from rich.table import Table

from recsys.contracts.comparison import Comparison
from recsys.evaluation.render import comparison_words as words

WIDTH = 140


def render(comparison: Comparison) -> str:
    """The tables, what depends on the policy, the verdict, and how policies are compared."""
    out = StringIO()
    console = Console(file=out, width=WIDTH, highlight=False, markup=False)
    exposures = comparison.exposures
    console.print(f"{exposures.distinct:,} exposures to {exposures.users:,} users, under each policy")
    for cells in words.tables(comparison):
        console.print(_table(cells))
    lines = [
        *words.notes(comparison),
        *(f"depends on the policy: {each.told}" for each in comparison.disagreements),
        comparison.verdict,
        comparison.method,
    ]
    printed = [line.rstrip() for line in out.getvalue().splitlines()]
    return "\n".join([*printed, *(textwrap.fill(line, 120) for line in lines)]) + "\n"


def _table(cells: words.Cells) -> Table:
    table = Table(box=box.SIMPLE, title=cells.title, title_justify="left")
    for heading, side in zip(cells.headings, cells.align, strict=True):
        table.add_column(heading, justify="left" if side == "l" else "right")
    for row in cells.rows:
        table.add_row(*row)
    return table
