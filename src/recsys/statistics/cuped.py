"""CUPED: an effect from which is taken what could be told before the experiment (Deng, Xu, Kohavi & Walker, "Improving
the sensitivity of online controlled experiments by utilizing pre-experiment data", WSDM 2013).

The figure is R = ΣY/ΣN, its covariate Rx = ΣX/ΣD, of the time before a unit's first assignment. With the residuals of
the delta method, e_u = (Y_u − R·N_u)/N̄ and c_u = (X_u − Rx·D_u)/D̄,

    adjusted R = R − θ·(Rx − Rx of both arms),      θ = Cov(e, c)/Var(c) over the units of both arms together

and the residual of an adjusted R is e_u − θ·c_u. A unit without a past has X = D = 0, so its c_u is that of the mean,
0. Where units lack one, the share h that has a past, Σh/n, is a second covariate with a θ of its own, for the two are
not correlated: Σc·h = Σc = 0. Both arms are moved towards a mean of both. That cancels in the difference but not in
what is relative: the levels are correlated, and ``Comparison.joint`` holds their covariance, with the weights that the
arms have in that mean.

All sums are exact. θ is the same in both arms, so where assignment is random it biases nothing but by order 1/n: as its
covariance is that of both arms together, it takes about one part in n, the units of both, off an effect. That the
covariate is equal in both arms is tested beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from recsys.statistics.aggregates import Aggregates, pairs
from recsys.statistics.comparison import Comparison, ExactLevel, compare, compare_levels
from recsys.statistics.moments import SCALE

RatioColumns = tuple[str | None, str | None]
"""Numerator and denominator; None is the constant 1."""
Row = list[Fraction]


@dataclass(frozen=True)
class Cuped:
    """``adjusted`` equals ``unadjusted`` where the covariate cannot be used, and ``note`` says why. ``theta``: by
    covariate, ``covariate`` and ``has_covariate``, of those that were used. ``variance_reduction``: 1 − adjusted /
    unadjusted variance of the difference, None without a variance. ``missing``: units of control and candidate without
    a covariate. ``balance``: of the covariate between the arms."""

    unadjusted: Comparison
    adjusted: Comparison
    balance: Comparison
    theta: dict[str, float]
    variance_reduction: float | None
    missing: tuple[int, int]
    note: str = ""


def needs(y: str, n: str | None, x: str, d: str | None = None, h: str | None = None) -> set[tuple[str, str]]:
    """The products of ``Aggregates`` that ``cuped`` reads; of each of the columns it reads the total, too."""
    return pairs(y, n, x, d, h)


def cuped(
    control: Aggregates,
    candidate: Aggregates,
    y: str,
    n: str | None,
    x: str,
    d: str | None = None,
    h: str | None = None,
    *,
    scale: int = SCALE,
    covariate_scale: int | None = None,
) -> Cuped:
    """The effect on Σy/Σn, adjusted by the covariate Σx/Σd. ``n`` None is the constant 1, so is ``d``, of the units
    that have a covariate. ``h`` is 1 in these and 0 in the others, in which x and d are 0; None: all have one.
    ValueError where it is not so.

    ``y`` is in units of 1/``scale``, ``x`` of 1/``covariate_scale``, the same unless given.
    """
    arms = control, candidate
    for arm in arms:
        _check(arm, x, d, h)
    denominator = h if d is None else d
    unadjusted = compare(*(arm.moments(y, n) for arm in arms), scale=scale)
    balance = compare(*(arm.moments(x, denominator) for arm in arms), scale=covariate_scale or scale)
    missing = (0, 0) if h is None else (control.units - control.total(h), candidate.units - candidate.total(h))
    covariates: dict[str, RatioColumns] = {"covariate": (x, denominator)}
    if any(missing):
        covariates["has_covariate"] = (h, None)
    used, theta, note = _thetas(arms, (y, n), covariates) if unadjusted.se else ([], [], unadjusted.note)
    if not used:
        return Cuped(unadjusted, unadjusted, balance, {}, 0.0 if unadjusted.se else None, missing, note)
    adjusted = _adjusted(arms, [(y, n), *(covariates[name] for name in used)], theta, scale)
    unit = {"covariate": Fraction(covariate_scale or scale, scale), "has_covariate": Fraction(1, scale)}
    told = {name: float(value * unit[name]) for name, value in zip(used, theta, strict=True)}
    before, after = (sum(arm.variance or 0.0 for arm in (c.control, c.candidate)) for c in (unadjusted, adjusted))
    return Cuped(unadjusted, adjusted, balance, told, 1 - after / before, missing, note)


def _check(arm: Aggregates, x: str, d: str | None, h: str | None) -> None:
    if h is None:
        return
    if arm.product(h, h) != arm.total(h):
        raise ValueError(f"column {h!r} must be 0 or 1 in every unit")
    for column in (x, h if d is None else d):
        if arm.product(column, h) != arm.total(column):
            raise ValueError(f"column {column!r} must be 0 where {h!r} is; it sums to {arm.total(column)}, "
                             f"and to {arm.product(column, h)} where {h!r} is 1")  # fmt: skip


def _thetas(
    arms: tuple[Aggregates, Aggregates], figure: RatioColumns, covariates: dict[str, RatioColumns]
) -> tuple[list[str], Row, str]:
    """The covariates that can be used, θ of each, and a note on the others."""
    if not all(arm.total(below) for arm in arms for _, below in covariates.values()):
        return [], [], "an arm has no unit with a covariate: not adjusted"
    both = arms[0] + arms[1]
    spread = {name: covariance_of_ratios(both, ratio, ratio) for name, ratio in covariates.items()}
    used = [name for name in covariates if spread[name]]
    if not used:
        return [], [], "the covariate does not vary: not adjusted"
    theta = [covariance_of_ratios(both, figure, covariates[name]) / spread[name] for name in used]
    return used, theta, "" if "covariate" in used else "the covariate does not vary: adjusted by who has one"


def covariance_of_ratios(sums: Aggregates, one: RatioColumns, other: RatioColumns) -> Fraction:
    """By the delta method, of two ratios over the same units: Σe·e'/((n−1)·n·N̄·N̄'). At least two units, and
    denominators that are not 0."""
    (y, n), (x, d) = one, other
    first, second = Fraction(sums.total(y), sums.total(n)), Fraction(sums.total(x), sums.total(d))
    residuals = sums.product(y, x) - second * sums.product(y, d) - first * sums.product(n, x)
    residuals += first * second * sums.product(n, d)
    return residuals * sums.units / (sums.units - 1) / (sums.total(n) * sums.total(d))


def _adjusted(
    arms: tuple[Aggregates, Aggregates], ratios: Sequence[RatioColumns], theta: Row, scale: int
) -> Comparison:
    """The comparison of the adjusted levels. ``ratios``: the figure, then its covariates.

    A level is linear in the ratios of both arms: ``own`` is how it hangs on those of its own arm, and ``pull[j]`` how
    either hangs on those of arm j through the mean of both arms.
    """
    values = [[Fraction(arm.total(above), arm.total(below)) for above, below in ratios] for arm in arms]
    spread = [[[covariance_of_ratios(arm, one, other) for other in ratios] for one in ratios] for arm in arms]
    own, pull = [Fraction(1), *(-value for value in theta)], [_pull(arm, arms, ratios, theta) for arm in arms]
    common = _dot(pull[0], values[0]) + _dot(pull[1], values[1])
    control, candidate = (
        ExactLevel(arm.units, (_dot(own, value) + common) / scale, _quadratic(own, square, own) / scale**2)
        for arm, value, square in zip(arms, values, spread, strict=True)
    )
    whole = [[a + b for a, b in zip(own, part, strict=True)] for part in pull]
    hangs = (whole[0], pull[1]), (pull[0], whole[1])
    v0, v1, v01 = (
        (_quadratic(one[0], spread[0], other[0]) + _quadratic(one[1], spread[1], other[1])) / scale**2
        for one, other in ((hangs[0], hangs[0]), (hangs[1], hangs[1]), hangs)
    )
    return compare_levels(control, candidate, joint=(v0, v1, v01))


def _pull(arm: Aggregates, arms: Sequence[Aggregates], ratios: Sequence[RatioColumns], theta: Row) -> Row:
    """θ times the arm's weight in each covariate's mean over both arms; none in the figure's."""
    shares = [Fraction(arm.total(below), sum(each.total(below) for each in arms)) for _, below in ratios[1:]]
    return [Fraction(0), *(value * share for value, share in zip(theta, shares, strict=True))]


def _dot(one: Row, other: Row) -> Fraction:
    return sum((a * b for a, b in zip(one, other, strict=True)), Fraction(0))


def _quadratic(left: Row, square: Sequence[Row], right: Row) -> Fraction:
    return _dot(left, [_dot(row, right) for row in square])
