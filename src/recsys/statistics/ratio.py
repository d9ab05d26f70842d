"""A mean over rows, with an interval that knows that the rows of one user are not independent.

The mean is the ratio R = ΣY/ΣN of sums over users. Its variance follows by the delta method (Deng, Knoblich & Lu,
"Applying the Delta Method in Metric Analytics", KDD 2018): with e_u = Y_u − R·N_u and n users,

    Var(R) = Σ e_u² / ((n−1) · n · N̄²),        N̄ = ΣN / n

(Σ e_u is 0, so no mean is taken off.) The interval uses Student's t with n − 1 degrees of freedom.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from recsys.statistics.moments import SCALE, Moments

LEVEL = 0.95
FEW_UNITS = 30


@dataclass(frozen=True)
class Ratio:
    """``value`` is None over nothing; ``se``, ``low`` and ``high`` are None where ``note`` says why."""

    value: float | None
    se: float | None = None
    low: float | None = None
    high: float | None = None
    note: str = ""


def ratio(
    moments: Moments,
    *,
    level: float = LEVEL,
    lowest: float = -math.inf,
    highest: float = math.inf,
    scale: int = SCALE,
) -> Ratio:
    """The mean of the moments with its interval, which is cut at ``lowest`` and ``highest``, the range of the figure.

    ``y`` of the moments is in units of 1/``scale``. The sums are exact integers and stay so until the last division:
    nothing is lost to cancellation.
    """
    if moments.n == 0:
        return Ratio(None, note="there is nothing to take a mean of")
    mean = float(Fraction(moments.y, moments.n * scale))
    if moments.units < 2:
        return Ratio(mean, note="one user: no interval can be given")
    variance = variance_of_ratio(moments) / scale**2
    if variance == 0:
        return Ratio(mean, note="users do not differ: no interval can be given")
    se = math.sqrt(variance)
    half = se * t_quantile(moments.units - 1, level)
    note = f"only {moments.units} users: the interval is rough" if moments.units < FEW_UNITS else ""
    return Ratio(mean, se, max(mean - half, lowest), min(mean + half, highest), note)


def variance_of_ratio(moments: Moments) -> Fraction:
    """Var(R), in the square of the unit of ``y``. At least two units, and ``n`` above 0."""
    value = Fraction(moments.y, moments.n)
    squares = moments.yy - 2 * value * moments.yn + value * value * moments.nn
    return squares * moments.units / ((moments.units - 1) * Fraction(moments.n) ** 2)


def t_quantile(degrees: float, level: float) -> float:
    """How many standard errors a two-sided interval of the level reaches to each side."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.5 + level / 2))
