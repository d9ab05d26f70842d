"""How far an interval reaches, in standard errors: once, at a horizon, or at every look while an experiment runs.

**Fixed.** The quantile of Student's t. It holds for one look that was fixed beforehand.

**Sequence.** An asymptotic confidence sequence: intervals of which, with the probability of the level, all hold the
truth at once, however often and whenever one looks (Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas, "Time-uniform
central limit theory and asymptotic confidence sequences", Annals of Statistics 2024). After t units it reaches

    √( 2(tρ²+1)/(tρ²) · ln(√(tρ²+1)/α) ),        α = 1 − level

standard errors to each side. It is two-sided: by symmetry an end lies on the wrong side of the truth with at most α/2.
ρ decides where it is tightest; for it to be at t = n*, ρ² = (−2 ln α + ln(−2 ln α + 1))/n*, the closed approximation
of the same paper. It holds for every ρ, as long as n* is fixed before the start.

The sequence is asymptotic: it takes the errors for normal from the first look on. ``enough`` says from when on they
are, for figures of which most units have nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from recsys.statistics.ratio import t_quantile

DEFAULT_PLANNED = 5_000
"""Units of both arms for which the sequence is tightest, where none were declared."""
NONZERO = 100
NONZERO_IN_SMALL_ARM = 400
"""Units with a value other than 0 that an arm needs before anything is decided on a sequence."""
SMALL_ARM = 3
"""An arm is small with less than one unit in so many."""


def reach(units: int, *, level: float, planned: int = DEFAULT_PLANNED) -> float:
    """Standard errors that the sequence reaches to each side, with so many units in both arms together.

    Infinite of no unit. ValueError for a level outside of (0, 1), or fewer than 1 planned units.
    """
    _check(level)
    if planned < 1:
        raise ValueError(f"planned units must be at least 1; found {planned}")
    if units < 1:
        return math.inf
    time = _time(units, level, planned)
    return math.sqrt(2 * (time + 1) / time * (math.log1p(time) / 2 - math.log(1 - level)))


def always_valid_p(standard_errors: float, units: int, *, level: float, planned: int = DEFAULT_PLANNED) -> float:
    """The smallest α at which the sequence, with the ρ that belongs to ``level``, excludes what is so many standard
    errors away: a p-value that may be looked at as often as one likes. 1 of no unit."""
    _check(level)
    if units < 1:
        return 1.0
    time = _time(units, level, planned)
    log_p = math.log1p(time) / 2 - standard_errors**2 / 2 * time / (time + 1)
    return min(1.0, math.exp(log_p))


def _time(units: int, level: float, planned: int) -> float:
    """tρ²."""
    twice = -2 * math.log(1 - level)
    return units * (twice + math.log1p(twice)) / planned


def fixed_reach(degrees: float, level: float) -> float:
    """Standard errors that an interval of one look reaches to each side: Student's t with so many degrees of freedom,
    infinite without any. ValueError for a level outside of (0, 1)."""
    _check(level)
    return t_quantile(degrees, level) if degrees > 0 else math.inf


def enough(nonzero_by_arm: Mapping[str, int], units_by_arm: Mapping[str, int]) -> str:
    """Empty where a sequence over these arms may decide, else the reason, in words, why not yet.

    Each arm needs 100 units whose value is not 0. An arm with under a third of the units needs 400: its own error
    makes most of the error of the difference, and is skewed for longer. An arm that is missing has no unit.
    """
    total = sum(units_by_arm.values())
    if total == 0:
        return "no arm has a unit"
    short = []
    for arm in sorted({*units_by_arm, *nonzero_by_arm}):
        small = SMALL_ARM * units_by_arm.get(arm, 0) < total
        needed = NONZERO_IN_SMALL_ARM if small else NONZERO
        found = nonzero_by_arm.get(arm, 0)
        if found < needed:
            which = f"{arm}, with under a third of the units," if small else arm
            short.append(f"{which} has {found} units with a value other than 0, of {needed} needed")
    return "; ".join(short)


def _check(level: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"a level must be between 0 and 1; found {level}")
