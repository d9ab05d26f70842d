"""Bounds of a share of rows that stay sound where there are no events, or few: of errors, of empty lists.

An interval of ± standard errors has no width without an event, and is too narrow with few. Clopper and Pearson's exact
bounds hold for independent rows; Korn and Graubard ("Confidence intervals for proportions with small expected number
of positive counts estimated from survey data", Survey Methodology 1998) use them for clustered rows with the effective
number of rows, ΣN divided by the design effect

    d = Var(p)·ΣN / (p(1−p)),      at least 1,      Var(p) by the delta method over units (``ratio``).

Few events tell little of how they cluster: d itself is then too small more often than not. The worst that can be, all
rows of a unit alike, is d* = ΣN²/ΣN (Kish). So d is drawn towards it: with m the effective number of units that have an
event, (ΣY)²/ΣY², or have none, whichever is less,

    d' = max(d, (m·d + 4·d*) / (m + 4)).

Without an event d' is d*: of n units with one row each the upper bound is about 3.7/n at 95 %.

The difference of two is bounded by MOVER (Zou & Donner, Statistics in Medicine 2008): for shares p₀, p₁ with bounds
(l₀, u₀) and (l₁, u₁) it is from d − √((p₁−l₁)² + (u₀−p₀)²) to d + √((u₁−p₁)² + (p₀−l₀)²).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from recsys.statistics.moments import Moments
from recsys.statistics.ratio import FEW_UNITS, variance_of_ratio

WORST_CASE_UNITS = 4
"""As many units with an event as the worst design effect counts for. Simulations chose it: plain Korn-Graubard bounds
(0) missed the truth several times too often where users of a long-tailed activity have rates of their own."""
NOTHING = "there is nothing to take a share of"


@dataclass(frozen=True)
class Proportion:
    """``value``, ``low`` and ``high`` are None over nothing, and ``note`` says so. ``effective``: so many independent
    rows tell as much."""

    value: float | None
    low: float | None = None
    high: float | None = None
    effective: float = 0.0
    note: str = ""


@dataclass(frozen=True)
class ProportionDifference:
    """candidate − control; all None where an arm has nothing, and ``note`` says so."""

    value: float | None
    low: float | None = None
    high: float | None = None
    note: str = ""


def proportion(moments: Moments, reach: float, *, scale: int = 1) -> Proportion:
    """Σy/Σn, y of 0 to n in each unit and in units of 1/``scale``, with bounds at the level of a normal interval that
    reaches so many standard errors. ValueError where y is not within 0 and n."""
    if not reach >= 0:
        raise ValueError(f"a reach is 0 or more; found {reach}")
    if not 0 <= moments.y <= moments.n * scale:
        raise ValueError(f"a share is between 0 and 1; found {moments.y} of {moments.n * scale}")
    if moments.n == 0:
        return Proportion(None, note=NOTHING)
    share = float(Fraction(moments.y, moments.n * scale))
    effective = moments.n / _design_effect(moments, scale)
    note = f"only {moments.units} users: the interval is rough" if moments.units < FEW_UNITS else ""
    return Proportion(share, *_clopper_pearson(share, effective, reach), effective, note)


def difference_of_proportions(
    control: Moments, candidate: Moments, reach: float, *, scale: int = 1
) -> ProportionDifference:
    """The difference of the shares of two independent arms."""
    before, after = (proportion(arm, reach, scale=scale) for arm in (control, candidate))
    if before.value is None or before.low is None or before.high is None:
        return ProportionDifference(None, note=f"in the control: {before.note}")
    if after.value is None or after.low is None or after.high is None:
        return ProportionDifference(None, note=f"in the candidate: {after.note}")
    value = after.value - before.value
    low = value - math.hypot(after.value - after.low, before.high - before.value)
    high = value + math.hypot(after.high - after.value, before.value - before.low)
    return ProportionDifference(value, low, high, before.note or after.note)


def _design_effect(moments: Moments, scale: int) -> float:
    """d' of the module; at least one row."""
    worst = moments.nn / moments.n
    with_event = _effective_units(moments.y, moments.yy)
    without = _effective_units(
        moments.n * scale - moments.y, moments.nn * scale**2 - 2 * scale * moments.yn + moments.yy
    )
    m = min(with_event, without)
    if m == 0 or moments.units < 2:
        return worst
    share = Fraction(moments.y, moments.n * scale)
    seen = variance_of_ratio(moments) / scale**2 * moments.n / (share * (1 - share))
    seen = max(float(seen), 1.0)
    return max(seen, (m * seen + WORST_CASE_UNITS * worst) / (m + WORST_CASE_UNITS))


def _effective_units(total: int, squares: int) -> float:
    """(Σ)²/Σ²: as many units with equal totals would have these sums."""
    return float(Fraction(total * total, squares)) if squares else 0.0


def _clopper_pearson(share: float, n: float, reach: float) -> tuple[float, float]:
    """Exact bounds of so many events of n independent rows; n need not be whole."""
    from scipy.special import betainccinv, betaincinv, ndtr

    tail, events, others = float(ndtr(-reach)), share * n, (1 - share) * n
    low = float(betaincinv(events, others + 1, tail)) if events > 0 else 0.0
    high = float(betainccinv(events + 1, others, tail)) if others > 0 else 1.0
    return min(low, share), max(high, share)
