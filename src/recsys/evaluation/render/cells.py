"""Tables as values, which HTML and Markdown draw alike: text of ours is text, names of a log are ``Name``, and what was
found of a row is a ``Result``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from recsys.evaluation.quality_text import slice_value

MAX_ROWS = 60


class Name(Struct, frozen=True):
    """What others named: printable, of bounded length, set apart from the text around it."""

    raw: str

    @property
    def text(self) -> str:
        """As it may be shown."""
        return slice_value(self.raw)


class Result(Struct, frozen=True):
    """What was found, in a word. ``status``: what it means, which may be told by a colour beside the word; empty where
    it speaks neither for nor against."""

    text: str
    status: Literal["good", "bad", "open", ""] = ""


PASS, FAIL, OPEN = Result("pass", "good"), Result("FAIL", "bad"), Result("open", "open")

Cell = str | Name | Result


class Cells(Struct, frozen=True, kw_only=True):
    """A table. ``align``: one of ``l`` and ``r`` for each column; the first cell of a row names it."""

    align: str
    headings: list[Cell]
    rows: list[list[Cell]]
    more: str = ""
    """What was left out, in words."""


def table(align: str, headings: Sequence[Cell], rows: Sequence[Sequence[Cell]], limit: int = MAX_ROWS) -> Cells:
    """The first ``limit`` rows; what is left out is told."""
    left = len(rows) - limit
    more = f"{left:,} more are in the JSON report." if left > 0 else ""
    return Cells(align=align, headings=list(headings), rows=[list(row) for row in rows[:limit]], more=more)


def filled(cells: Cells) -> Cells:
    """Without the columns in which no row says anything; the first stays."""
    kept = [place for place in range(len(cells.headings)) if place == 0 or any(row[place] != "" for row in cells.rows)]
    return Cells(
        align="".join(cells.align[place] for place in kept), headings=[cells.headings[place] for place in kept],
        rows=[[row[place] for place in kept] for row in cells.rows], more=cells.more,
    )  # fmt: skip
