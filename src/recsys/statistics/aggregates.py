"""Exact sums over units: of several columns, and of products of two of them. All statistics of an arm come of these."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from recsys.statistics.moments import Moments


@dataclass(frozen=True)
class Aggregates:
    """``units`` of them; ``totals``: column → Σ; ``products``: (column, column), in alphabetical order → Σ of the
    product; ``nonzero``: column → units in which it is not 0. All are integers, each column in its own unit, and
    add over disjoint sets of units."""

    units: int = 0
    totals: Mapping[str, int] = field(default_factory=dict)
    products: Mapping[tuple[str, str], int] = field(default_factory=dict)
    nonzero: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: Aggregates) -> Aggregates:
        return Aggregates(
            units=self.units + other.units,
            totals=_added(self.totals, other.totals),
            products=_added(self.products, other.products),
            nonzero=_added(self.nonzero, other.nonzero),
        )

    def total(self, column: str | None) -> int:
        """Σ of a column; None is the constant 1."""
        return self.units if column is None else self.totals[column]

    def product(self, a: str | None, b: str | None) -> int:
        """Σ of the product of two columns, in either order; None is the constant 1."""
        if a is None or b is None:
            return self.total(b if a is None else a)
        return self.products[min(a, b), max(a, b)]

    def moments(self, y: str, n: str | None = None) -> Moments:
        """What the ratio Σy/Σn needs; a mean per unit is the ratio to the constant 1."""
        return Moments(
            units=self.units, y=self.total(y), n=self.total(n),
            yy=self.product(y, y), yn=self.product(y, n), nn=self.product(n, n),
        )  # fmt: skip


def pairs(*columns: str | None) -> set[tuple[str, str]]:
    """The keys of ``products`` of all pairs of these columns, squares too; None, the constant 1, needs none."""
    named = [column for column in columns if column is not None]
    return {(min(a, b), max(a, b)) for a in named for b in named}


def _added(one: Mapping, other: Mapping) -> dict:
    total = Counter(one)
    total.update(other)
    return dict(total)
