"""Additive sums of one figure over units: all that an interval needs, and no rows."""

from __future__ import annotations

from dataclasses import astuple, dataclass


@dataclass(frozen=True)
class Moments:
    """Exact integer sums over units (users): of a unit's total ``y``, its count ``n``, their squares and product.

    ``y`` is in units of 1/``SCALE``, so that sums do not depend on the order in which they were made. Moments of
    disjoint sets of units add.
    """

    units: int = 0
    y: int = 0
    n: int = 0
    yy: int = 0
    yn: int = 0
    nn: int = 0

    def __add__(self, other: Moments) -> Moments:
        return Moments(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


SCALE_BITS = 40
SCALE = 2**SCALE_BITS
"""Scores are rounded to 2⁻⁴⁰ and counted in that unit."""
