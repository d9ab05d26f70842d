"""Are two divisions of the same units independent? Pearson's chi-square of the cross table, without a correction.

Two experiments that run on the same subjects should be: each arm of one should have the same mixture of the other's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from recsys.statistics.srm import SMALL_EXPECTED


@dataclass(frozen=True)
class Independence:
    """``n`` units in the table. ``p`` is None where a division has one part only, and ``note`` says so."""

    n: int
    degrees: int
    statistic: float | None = None
    p: float | None = None
    note: str = ""


def independence(table: Sequence[Sequence[int]]) -> Independence:
    """Of a table of counts: rows are the parts of one division, columns those of the other. Empty ones are left out."""
    rows = [sum(row) for row in table]
    columns = [sum(column) for column in zip(*table, strict=True)]
    total = sum(rows)
    degrees = max(sum(map(bool, rows)) - 1, 0) * max(sum(map(bool, columns)) - 1, 0)
    if degrees == 0:
        return Independence(total, 0, note="one arm only: there is nothing to compare")
    expected = [[row * column / total for column in columns if column] for row in rows if row]
    seen = [[n for n, column in zip(row, columns, strict=True) if column] for row in table if sum(row)]
    statistic = math.fsum(
        (n - e) ** 2 / e
        for counts, wanted in zip(seen, expected, strict=True)
        for n, e in zip(counts, wanted, strict=True)
    )
    from scipy.special import chdtrc

    rough = min(map(min, expected)) < SMALL_EXPECTED
    note = f"some expected counts are under {SMALL_EXPECTED}: p is rough" if rough else ""
    return Independence(total, degrees, statistic, float(chdtrc(degrees, statistic)), note)
