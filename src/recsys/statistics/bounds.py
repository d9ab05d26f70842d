"""Between which figures the truth lies when some outcomes could not be joined to a unit.

An outcome that joined no exposure (its request_id was lost or altered, stands on several lists, or the line cannot be
read) belongs to some unit, or to none. What is sure is the two ends: it is *credited* as a whole to where it raises the
figure most, or to where it lowers it most. Crediting adds to ΣY and leaves ΣN as it is.

**The interval at an end** must hold however the credited outcomes were spread over the units. With c_u credited to unit
u, C = Σc_u, and R + C/N the ratio at the end, the residual of a unit is

    e'_u = (Y_u − R·N_u) + (c_u − (C/N)·N_u)

so by the triangle inequality √Σe'² ≤ √Σe² + √Σ(c_u − (C/N)·N_u)², and since c_u and N_u are never negative

    Σ(c_u − (C/N)·N_u)² ≤ Σc_u² + (C/N)²·ΣN_u².

ΣN_u² is known. Of Σc_u² the sum over the users that the outcomes name themselves is taken, for the outcomes of one
user are one unit's, whichever it is; those that name nobody (unreadable lines) are taken to be one unit's, all of them,
which no other arrangement exceeds. Both parts enter as norms, again by the triangle inequality. So the standard error
at an end is at least that of the whole data, whatever the whole data are: the interval is conservative. (It would not
be if one person's outcomes named many users, as where user_id is only the request_id.)

Of a difference both arms get the error of a full credit at both ends, and Student's t has the degrees of freedom of the
smaller arm. Then any division of the outcomes between the arms gives a difference between the ends with a standard
error that is no larger, so its interval lies within the outermost limits of the two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction

from recsys.statistics.difference import difference
from recsys.statistics.moments import SCALE, Moments
from recsys.statistics.ratio import LEVEL, ratio, t_quantile, variance_of_ratio


@dataclass(frozen=True)
class Credit:
    """Amounts that may be credited, never negative, in the unit of ``y``: ``named`` is the sum of those that name a
    user, ``squares`` the sum over these users of the square of each one's sum, ``unnamed`` the sum of the others."""

    named: int = 0
    squares: int = 0
    unnamed: int = 0

    @property
    def amount(self) -> int:
        """All that may be credited."""
        return self.named + self.unnamed

    @property
    def norm(self) -> float:
        """At least √Σc_u² over the units."""
        return math.sqrt(self.squares) + self.unnamed


@dataclass(frozen=True)
class Unjoined:
    """What did not join: amounts that would raise a figure, and (refunds) the sizes of those that would lower it."""

    raising: Credit = field(default_factory=Credit)
    lowering: Credit = field(default_factory=Credit)

    def __bool__(self) -> bool:
        return bool(self.raising.amount or self.lowering.amount)


@dataclass(frozen=True)
class End:
    """The figure at an end, with its interval there; ``se``, ``low`` and ``high`` are None where none can be given."""

    value: float
    se: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Bounds:
    """The ends. ``flips``: of a difference, the share of what did not join that turns its sign when it is credited to
    where it does so soonest: more than this share must; None where not even all of it can."""

    low: End
    high: End
    flips: float | None = None


def ratio_bounds(
    moments: Moments,
    unjoined: Unjoined,
    *,
    level: float = LEVEL,
    lowest: float = -math.inf,
    scale: int = SCALE,
) -> Bounds | None:
    """Of one ratio: between "none of what did not join belongs to these units" and "all of it does".

    None where there is nothing to take a mean of. Intervals are cut at ``lowest``.
    """
    if moments.n == 0:
        return None
    if not unjoined:
        found = ratio(moments, level=level, lowest=lowest, scale=scale)
        assert found.value is not None, "n is not 0"  # noqa: S101 - asked above
        end = End(found.value, found.se, found.low, found.high)
        return Bounds(end, end)
    error = _error(moments, unjoined, scale)
    low, high = (
        _end(float(Fraction(moments.y + change, moments.n * scale)), error, moments.units - 1, level, lowest)
        for change in (-unjoined.lowering.amount, unjoined.raising.amount)
    )
    return Bounds(low, high)


def difference_bounds(
    control: Moments, candidate: Moments, unjoined: Unjoined, *, level: float = LEVEL, scale: int = SCALE
) -> Bounds | None:
    """Of candidate − control: between "all that did not join speaks for the control" and "all of it for the candidate".

    What raises a figure is credited to the arm that the end favours, what lowers it to the other one. None where an arm
    has nothing to take a mean of.
    """
    if not (control.n and candidate.n):
        return None
    if not unjoined:
        found = difference(control, candidate, level=level, scale=scale)
        assert found.value is not None, "no n is 0"  # noqa: S101 - asked above
        end = End(found.value, found.se, found.low, found.high)
        return Bounds(end, end)
    observed = Fraction(candidate.y, candidate.n) - Fraction(control.y, control.n)
    up = Fraction(unjoined.raising.amount, candidate.n) + Fraction(unjoined.lowering.amount, control.n)
    down = Fraction(unjoined.raising.amount, control.n) + Fraction(unjoined.lowering.amount, candidate.n)
    errors = (_error(control, unjoined, scale), _error(candidate, unjoined, scale))
    error = None if None in errors else math.hypot(*(part or 0.0 for part in errors))
    degrees = min(control.units, candidate.units) - 1
    low, high = (_end(float(value / scale), error, degrees, level) for value in (observed - down, observed + up))
    return Bounds(low, high, flips=_flips(observed, down if observed > 0 else up))


def _flips(observed: Fraction, pull: Fraction) -> float | None:
    """How much of ``pull`` takes a difference to 0. Of 0 itself it is none: whatever is credited gives it a sign."""
    return float(abs(observed) / pull) if abs(observed) < pull else None


def _error(moments: Moments, unjoined: Unjoined, scale: int) -> float | None:
    """At least the standard error of the ratio with all credited, see above; None for fewer than two units."""
    if moments.units < 2:
        return None
    correction = moments.units / (moments.units - 1)
    error = math.sqrt(variance_of_ratio(moments))
    for credit in (unjoined.raising, unjoined.lowering):
        squares = credit.norm**2 + (credit.amount / moments.n) ** 2 * moments.nn
        error += math.sqrt(squares * correction) / moments.n
    return error / scale


def _end(value: float, error: float | None, degrees: int, level: float, lowest: float = -math.inf) -> End:
    if not error:
        return End(value)
    half = error * t_quantile(degrees, level)
    return End(value, error, max(value - half, lowest), value + half)
