"""Two independent arms side by side: the level of each, their difference candidate − control, and its error.

The variances of the levels, each by the delta method over the arm's own units (``ratio``), add. Degrees of freedom are
those of Welch and Satterthwaite, so that neither arm's variance is taken for the other's. How many standard errors an
interval reaches is the caller's choice: a fixed horizon and a sequence share all that is here.

**Relative** to the control the effect is candidate/control − 1. Its set by Fieller ("Some problems in interval
estimation", JRSS B 1954) holds every ratio ρ with

    (μ₁ − ρμ₀)² ≤ z²·(v₁ − 2ρ·v₀₁ + ρ²·v₀)

It is an interval where the control's level is further than z standard errors from 0. Else it has no bound, and none is
given: such data do not even tell the sign of the control.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from recsys.statistics.moments import SCALE, Moments
from recsys.statistics.ratio import FEW_UNITS, variance_of_ratio

NOTHING = "an arm has nothing to take a mean of"
ONE_UNIT = "in an arm: one user: no interval can be given"
NO_VARIANCE = "in both arms: users do not differ: no interval can be given"
NOT_ABOVE_0 = "the control's level is not above 0: nothing is relative to it"
UNBOUNDED = "unbounded: the interval of the control's level reaches 0"
ONE_SIDED = "in an arm users do not differ: the error is that of the other arm alone"


@dataclass(frozen=True)
class Level:
    """An arm. ``value`` is None where it has nothing to take a mean of; ``variance``, what the arm adds to that of the
    difference, is None of fewer than two units."""

    units: int
    value: float | None = None
    variance: float | None = None

    @property
    def variance_per_unit(self) -> float | None:
        """What ``power`` plans with: the variance of the level would be this divided by the units."""
        return None if self.variance is None else self.variance * self.units


@dataclass(frozen=True)
class Relative:
    """candidate/control − 1. ``low`` and ``high`` are None where ``note`` says why; ``bounded`` is False where that is
    because the set has no bound."""

    value: float | None
    low: float | None = None
    high: float | None = None
    note: str = ""
    bounded: bool = True


@dataclass(frozen=True)
class Comparison:
    """``difference`` is None where an arm has nothing to take a mean of; ``se`` and ``degrees`` are None where ``note``
    says why. ``joint``: variance of the control's level, of the candidate's, and their covariance. It differs from what
    the arms add to the difference only where both levels were moved towards a mean of both arms (``cuped``)."""

    control: Level
    candidate: Level
    difference: float | None
    se: float | None = None
    degrees: float | None = None
    note: str = ""
    joint: tuple[float, float, float] | None = None

    @property
    def p(self) -> float | None:
        """Of no difference: two-sided, by Student's t. None without an error."""
        if self.difference is None or self.se is None or self.degrees is None:
            return None
        from scipy.special import stdtr

        return float(2 * stdtr(self.degrees, -abs(self.difference) / self.se))

    def interval(self, reach: float) -> tuple[float, float] | None:
        """Of the difference, so many standard errors to each side; None without an error."""
        _check(reach)
        if self.difference is None or self.se is None:
            return None
        return self.difference - reach * self.se, self.difference + reach * self.se

    def relative(self, reach: float) -> Relative:
        """The effect relative to the control, with the set of Fieller for so many standard errors."""
        _check(reach)
        before, after = self.control.value, self.candidate.value
        if before is None or after is None or self.difference is None:
            return Relative(None, note=self.note)
        if before <= 0:
            return Relative(None, note=NOT_ABOVE_0)
        value = self.difference / before
        if self.joint is None:
            return Relative(value, note=self.note)
        ends = _fieller(before, after, self.joint, reach) if reach < math.inf else None
        if ends is None:
            return Relative(value, note=UNBOUNDED, bounded=False)
        return Relative(value, *ends, note=self.note)


@dataclass(frozen=True)
class ExactLevel:
    """A level before it is rounded to floats."""

    units: int
    value: Fraction | None = None
    variance: Fraction | None = None

    def rounded(self) -> Level:
        """As floats."""
        value, variance = (None if part is None else float(part) for part in (self.value, self.variance))
        return Level(self.units, value, variance)


def compare(control: Moments, candidate: Moments, *, scale: int = SCALE) -> Comparison:
    """R of both arms and their difference. ``y`` of both moments is in units of 1/``scale``."""
    return compare_levels(_level(control, scale), _level(candidate, scale))


def compare_levels(
    control: ExactLevel, candidate: ExactLevel, joint: tuple[Fraction, Fraction, Fraction] | None = None
) -> Comparison:
    """Of levels however they were come by; without ``joint`` they are independent."""
    arms = control.rounded(), candidate.rounded()
    if control.value is None or candidate.value is None:
        return Comparison(*arms, None, note=NOTHING)
    difference = float(candidate.value - control.value)
    if control.variance is None or candidate.variance is None:
        return Comparison(*arms, difference, note=ONE_UNIT)
    variance = control.variance + candidate.variance
    if variance == 0:
        return Comparison(*arms, difference, note=NO_VARIANCE)
    share = float(control.variance / variance)
    degrees = 1 / (share**2 / (control.units - 1) + (1 - share) ** 2 / (candidate.units - 1))
    v0, v1, v01 = joint or (control.variance, candidate.variance, Fraction(0))
    spread = float(v0), float(v1), float(v01)
    return Comparison(*arms, difference, math.sqrt(variance), degrees, _note(control, candidate), spread)


def _level(moments: Moments, scale: int) -> ExactLevel:
    if moments.n == 0:
        return ExactLevel(moments.units)
    variance = variance_of_ratio(moments) / scale**2 if moments.units > 1 else None
    return ExactLevel(moments.units, Fraction(moments.y, moments.n * scale), variance)


def _note(control: ExactLevel, candidate: ExactLevel) -> str:
    fewest = min(control.units, candidate.units)
    notes = [ONE_SIDED] if not (control.variance and candidate.variance) else []
    notes += [f"only {fewest} users in an arm: the interval is rough"] if fewest < FEW_UNITS else []
    return "; ".join(notes)


def _fieller(before: float, after: float, joint: tuple[float, float, float], z: float) -> tuple[float, float] | None:
    """Both ends of ρ − 1, None where the set has no bound. ``before`` is above 0.

    Everything is divided by the control's level: a = 1 − z²·v₀/μ₀², and so on, so that only ratios are squared.
    """
    ratio, (v0, v1, v01) = after / before, (part / before / before for part in joint)
    a = 1 - z * z * v0 if v0 else 1.0
    if not a > 0:
        return None
    middle = ratio - z * z * v01 if v01 else ratio
    # middle² − a·(ratio² − z²·v1), without the difference of two squares that are nearly equal
    inside = z * z * (v1 - 2 * ratio * v01 + ratio * ratio * v0 - z * z * (v0 * v1 - v01 * v01))
    root = math.sqrt(max(inside, 0.0))
    return (middle - root) / a - 1, (middle + root) / a - 1


def _check(reach: float) -> None:
    if not reach >= 0:
        raise ValueError(f"a reach is 0 or more; found {reach}")
