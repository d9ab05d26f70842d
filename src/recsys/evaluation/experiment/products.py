"""Sums of products of a unit's columns in an engine, exact at any size of log.

A column that may be large is taken in two parts, x = high · 2³⁰ + low: the products of the parts of two columns are
summed in 128 bits (38 digits), and put together in Python's integers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from recsys.evaluation.experiment.columns import is_wide
from recsys.statistics.aggregates import Aggregates

LOW_BITS = 30
LOW = 2**LOW_BITS


@dataclass(frozen=True)
class Products:
    """``columns`` of the units of a query, under the names ``c_0`` …, and the pairs of which products are summed."""

    columns: tuple[str, ...]
    pairs: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, columns: Iterable[str], pairs: Iterable[tuple[str, str]]) -> Products:
        """In the order of their names."""
        return cls(tuple(sorted(columns)), tuple(sorted(pairs)))

    def parts(self) -> str:
        """``, part AS name`` of each part of each column: of wide ones ``h_0`` and ``l_0``, of others ``l_0``."""
        listed = []
        for place, column in enumerate(self.columns):
            if is_wide(column):
                listed.append(f"CAST(c_{place} AS HUGEINT) >> {LOW_BITS} AS h_{place}")
                listed.append(f"CAST(c_{place} AS HUGEINT) & {LOW - 1} AS l_{place}")
            else:
                listed.append(f"CAST(c_{place} AS HUGEINT) AS l_{place}")
        return "".join(f", {part}" for part in listed)

    def aggregates(self) -> str:
        """``, aggregate AS name`` of each number that ``read`` takes, over units."""
        counts = [f"sum(c_{place}) AS s_{place}" for place in self._places]
        counts += [f"count(*) FILTER (WHERE c_{place} <> 0) AS z_{place}" for place in self._places]
        products = [f"sum({one} * {other}) AS p_{place}" for place, (one, other, _) in enumerate(self._terms())]
        return "".join(f", {aggregate}" for aggregate in (*counts, *products))

    def totals(self) -> str:
        """``, name`` of the sums of the columns."""
        return "".join(f", s_{place}" for place in self._places)

    def added(self) -> str:
        """``, aggregate`` of each number that ``read`` takes, over rows of ``aggregates``."""
        names = [f"{word}_{place}" for word in "sz" for place in self._places]
        names += [f"p_{place}" for place, _ in enumerate(self._terms())]
        return "".join(f", sum({name})" for name in names)

    def read(self, units: int, row: Sequence[int]) -> Aggregates:
        """What a row of ``added`` says of so many units."""
        numbers = [int(number) for number in row]
        count = len(self.columns)
        rest = iter(numbers[2 * count :])
        products = {
            pair: sum(weight * next(rest) for _, _, weight in self._terms_of(pair)) for pair in self.pairs
        }  # fmt: skip
        return Aggregates(
            units=int(units),
            totals=dict(zip(self.columns, numbers[:count], strict=True)),
            products=products,
            nonzero=dict(zip(self.columns, numbers[count : 2 * count], strict=True)),
        )

    def nothing(self) -> Aggregates:
        """Of no units."""
        return Aggregates(
            0, dict.fromkeys(self.columns, 0), dict.fromkeys(self.pairs, 0), dict.fromkeys(self.columns, 0)
        )

    @property
    def _places(self) -> range:
        return range(len(self.columns))

    def _terms(self) -> Iterator[tuple[str, str, int]]:
        return (term for pair in self.pairs for term in self._terms_of(pair))

    def _terms_of(self, pair: tuple[str, str]) -> list[tuple[str, str, int]]:
        """Products of parts with their weights, whose sum is the product of two columns."""
        ones, others = (self._parts_of(column) for column in pair)
        if pair[0] == pair[1] and len(ones) == 2:
            (high, most), (low, least) = ones
            return [(high, high, most * most), (high, low, 2 * most * least), (low, low, least * least)]
        return [(one, other, a * b) for one, a in ones for other, b in others]

    def _parts_of(self, column: str) -> list[tuple[str, int]]:
        place = self.columns.index(column)
        return [(f"h_{place}", LOW), (f"l_{place}", 1)] if is_wide(column) else [(f"l_{place}", 1)]
