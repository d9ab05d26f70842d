"""How large an effect the units at hand can find, and how many units an effect takes. The effect is an argument: the
observed one says nothing of what was worth finding, and is never used.

The variances are those of the log at hand, for one unit of an arm (``Level.variance_per_unit``): with n units an arm
adds variance/n to that of the difference.

**Fixed.** A two-sided test, once: Student's t with Welch's degrees of freedom, so power is that of the noncentral t.
**Sequence.** With ``planned`` units given, the probability that the confidence sequence (``sequential``) excludes 0 at
n units: the effect, in standard errors, is normal around its true size. To look before n only adds to it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from recsys.statistics.ratio import t_quantile
from recsys.statistics.sequential import reach

MOST_UNITS = 2**50
"""No experiment has more units."""
HALVINGS = 50
"""Of an interval, to find a number in it to nearly all of its bits."""


def power_of(
    effect: float,
    variance_control: float,
    variance_candidate: float,
    units_control: float,
    units_candidate: float,
    *,
    level: float = 0.95,
    planned: int | None = None,
) -> float | None:
    """The probability that an interval excludes 0 where the effect is true, on whichever side.

    None where there is no variance, or an arm has not more than one unit.
    """
    _check_effect(effect)
    _check(level, variance_control, variance_candidate, units_control, units_candidate)
    parts = variance_control / max(units_control, 1), variance_candidate / max(units_candidate, 1)
    if min(units_control, units_candidate) <= 1 or not sum(parts) > 0:
        return None
    distance = abs(effect) / math.sqrt(sum(parts))
    if planned is not None:
        far = reach(math.floor(units_control + units_candidate), level=level, planned=planned)
        return _beyond_normal(distance, far)
    share = parts[0] / sum(parts)
    degrees = 1 / (share**2 / (units_control - 1) + (1 - share) ** 2 / (units_candidate - 1))
    return _beyond_t(distance, t_quantile(degrees, level), degrees)


def minimum_effect(
    variance_control: float,
    variance_candidate: float,
    units_control: float,
    units_candidate: float,
    *,
    power: float = 0.8,
    level: float = 0.95,
    planned: int | None = None,
) -> float | None:
    """The smallest effect, of either sign, that so many units find with the power; None where ``power_of`` is."""
    _check_power(power, level)

    def found(effect: float) -> float | None:
        arms = variance_control, variance_candidate, units_control, units_candidate
        return power_of(effect, *arms, level=level, planned=planned)

    if found(0.0) is None:
        return None
    unit = math.sqrt(variance_control / units_control + variance_candidate / units_candidate)
    low, high = 0.0, unit
    while (found(high) or 0.0) < power:
        low, high = high, 2 * high
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if (found(middle) or 0.0) < power else (low, middle)
    return high


def units_needed(
    effect: float,
    variance_control: float,
    variance_candidate: float,
    *,
    share_candidate: float = 0.5,
    power: float = 0.8,
    level: float = 0.95,
    planned: int | None = None,
) -> int | None:
    """The smallest number of units, of both arms together, that finds the effect with the power.

    None where the effect is 0, nothing varies, or it takes more than 2⁵⁰. ValueError for a share that is not between
    0 and 1.
    """
    _check_power(power, level)
    if not 0 < share_candidate < 1:
        raise ValueError(f"the candidate's share must be between 0 and 1; found {share_candidate}")
    _check_effect(effect)
    if effect == 0 or not variance_control + variance_candidate > 0:
        return None

    def suffices(units: int) -> bool:
        arms = units * (1 - share_candidate), units * share_candidate
        found = power_of(effect, variance_control, variance_candidate, *arms, level=level, planned=planned)
        return found is not None and found >= power

    # With more units the distance of the effect grows like √n, that of the interval's end more slowly.
    return _smallest(suffices) if suffices(MOST_UNITS) else None


def _smallest(suffices: Callable[[int], bool]) -> int:
    """The smallest number from which on it suffices, by halving; it does at ``MOST_UNITS``."""
    low, high = 0, 1
    while not suffices(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if suffices(middle) else (middle, high)
    return high


def _beyond_normal(distance: float, far: float) -> float:
    from scipy.special import ndtr

    return float(ndtr(distance - far) + ndtr(-distance - far))


def _beyond_t(distance: float, far: float, degrees: float) -> float:
    from scipy.special import nctdtr

    below = [float(nctdtr(degrees, distance, end)) for end in (-far, far)]
    # SciPy's is not a number in places, all of them where the probability is less than 10⁻⁹.
    less, more = (0.0 if math.isnan(part) else part for part in below)
    return 1 - more + less


def _check_effect(effect: float) -> None:
    if not math.isfinite(effect):
        raise ValueError(f"an effect must be finite; found {effect}")


def _check_power(power: float, level: float) -> None:
    if not (0 < level < 1 and 1 - level < power < 1):
        raise ValueError(f"power must be between 1 − level and 1; found {power} at level {level}")


def _check(level: float, *numbers: float) -> None:
    if not 0 < level < 1:
        raise ValueError(f"a level must be between 0 and 1; found {level}")
    if not all(0 <= number < math.inf for number in numbers):
        raise ValueError(f"variances and units must be 0 or more, and finite; found {numbers}")
