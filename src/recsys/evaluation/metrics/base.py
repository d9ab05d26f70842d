"""What all metrics share: a word, a cut, and a name made of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

GAIN_SCALE = 2**50
"""Parts of a score are counted in units of 2⁻⁵⁰, so that their sums are exact integers."""


@dataclass(frozen=True)
class Cut:
    """A metric over the first ``k`` ranks of a list."""

    k: int
    word: ClassVar[str] = ""
    lowest: ClassVar[float] = 0.0
    highest: ClassVar[float] = 1.0

    def __str__(self) -> str:
        return f"{self.word}@{self.k}"


class Scored(Cut):
    """A metric that scores each exposure.

    ``needs`` are aggregates over the rows of relation ``relevant`` of one exposure, by column name; ``score`` is an SQL
    expression over those columns and ``n_relevant``, the number of relevant items. Both are asked only of exposures
    with a relevant item: the score of any other exposure is 0.

    Engines differ in what ``/`` makes of two numbers, so one of them is cast to DOUBLE; and in the last bits of a
    logarithm, so ``gain`` and ``ideal_gain`` come from a table.
    """

    discounts: ClassVar[bool] = False
    """Whether ``needs`` reads ``gain`` and ``ideal_gain``: 1/log2(item_rank + 1) and 1/log2(place + 1), each in units
    of 2⁻⁵⁰ and as far down as ``k``."""

    @property
    def needs(self) -> dict[str, str]:
        """Column name → SQL aggregate over (item_rank, place, gain, ideal_gain)."""
        raise NotImplementedError

    @property
    def score(self) -> str:
        """SQL expression of the score, a number."""
        raise NotImplementedError
