"""How much revenue of one unit counts: a few units with much would else decide about a mean.

The cap is the 99th percentile of the units' sums that are not 0, of all arms together: the smallest of these sums that
at least 99 % of them do not exceed. It cuts from above only. What is cut is told, and the uncut figure stands beside.
"""

from __future__ import annotations

from dataclasses import dataclass

from recsys.attribution.engine import Engine

PERCENT = 99


@dataclass(frozen=True)
class Cap:
    """``micros``: more than this is cut to it, in millionths. ``quantile``: what it is of the ``nonzero`` units whose
    sum is not 0; None where it was declared. ``cut``: units that had more."""

    micros: int
    quantile: float | None
    nonzero: int
    cut: int


def cap(engine: Engine, declared: int | None) -> Cap | None:
    """Of the revenue in ``unit_values``; None where no unit has any and none is declared."""
    [(nonzero,)] = engine.rows("SELECT count(*) FROM unit_values WHERE revenue <> 0")
    if declared is None and not nonzero:
        return None
    micros = _percentile(engine, nonzero) if declared is None else declared
    [(cut,)] = engine.rows(f"SELECT count(*) FROM unit_values WHERE revenue > CAST('{micros}' AS HUGEINT)")
    return Cap(micros, PERCENT / 100 if declared is None else None, nonzero, cut)


def _percentile(engine: Engine, nonzero: int) -> int:
    """Not below 0, where nearly all units have refunds only: it would take revenue from those that have none."""
    before = -(-nonzero * PERCENT // 100) - 1
    [(micros,)] = engine.rows(
        f"SELECT revenue FROM unit_values WHERE revenue <> 0 ORDER BY revenue LIMIT 1 OFFSET {before}"
    )
    return max(int(micros), 0)


def capped(revenue: str, limit: Cap | None) -> str:
    """An SQL expression for revenue, cut."""
    if limit is None:
        return revenue
    micros = f"CAST('{limit.micros}' AS HUGEINT)"
    return f"CASE WHEN {revenue} > {micros} THEN {micros} ELSE {revenue} END"
