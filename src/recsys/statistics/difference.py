"""The difference between the ratios of two independent arms, candidate − control, with its interval.

The variances of the arms, each by the delta method over its own units (``ratio``), add. The interval uses Student's t
with the degrees of freedom of Welch and Satterthwaite, so that neither arm's variance is taken for the other's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from recsys.statistics.moments import SCALE, Moments
from recsys.statistics.ratio import FEW_UNITS, LEVEL, Ratio, ratio, t_quantile


@dataclass(frozen=True)
class Difference:
    """``value`` is None where an arm has nothing to take a mean of; ``se``, ``low`` and ``high`` are None where
    ``note`` says why."""

    value: float | None
    se: float | None = None
    low: float | None = None
    high: float | None = None
    note: str = ""


def difference(control: Moments, candidate: Moments, *, level: float = LEVEL, scale: int = SCALE) -> Difference:
    """R of the candidate − R of the control. ``y`` of both moments is in units of 1/``scale``."""
    before, after = ratio(control, scale=scale), ratio(candidate, scale=scale)
    if before.value is None or after.value is None:
        return Difference(None, note="an arm has nothing to take a mean of")
    value = after.value - before.value
    if before.se is None or after.se is None:
        return Difference(value, note=f"in an arm: {before.note if before.se is None else after.note}")
    se = math.hypot(before.se, after.se)
    half = se * t_quantile(_degrees(before, control.units, after, candidate.units), level)
    fewest = min(control.units, candidate.units)
    note = f"only {fewest} users in an arm: the interval is rough" if fewest < FEW_UNITS else ""
    return Difference(value, se, value - half, value + half, note)


def _degrees(before: Ratio, n_before: int, after: Ratio, n_after: int) -> float:
    """Welch and Satterthwaite, on the shares of the variance, which neither overflow nor vanish."""
    assert before.se is not None, "both have an error"  # noqa: S101 - the caller looked
    assert after.se is not None, "both have an error"  # noqa: S101 - the caller looked
    share = 1 / (1 + (after.se / before.se) ** 2)
    return 1 / (share**2 / (n_before - 1) + (1 - share) ** 2 / (n_after - 1))
