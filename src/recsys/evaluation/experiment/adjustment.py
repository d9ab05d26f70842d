"""CUPED in an experiment: which columns of a unit tell of its past, and what the adjustment did."""

from __future__ import annotations

from dataclasses import dataclass

from recsys.contracts.decision import Cuped as CupedTold
from recsys.evaluation.experiment.measures import MICRO, RatioMeasure
from recsys.evaluation.experiment.settings import CupedSettings
from recsys.statistics.aggregates import Aggregates
from recsys.statistics.cuped import Cuped, cuped, needs

PRE = "pre_"
"""Begins the name of a column of what was before the unit's first assignment."""
COVARIATE, HAS_COVARIATE, HAS_HISTORY = "covariate", "has_covariate", "has_history"


@dataclass(frozen=True)
class Past:
    """The columns of a covariate: its numerator, its denominator (None: 1 per unit that has one), and whether a unit
    has one. ``told``: in words."""

    x: str
    d: str | None
    h: str
    scale: int
    told: str


def past(measure: RatioMeasure, settings: CupedSettings) -> Past:
    """The covariate of a measure: a context key of the assignment, or the measure itself in the time before."""
    if settings.covariate_key is not None:
        return Past(COVARIATE, None, HAS_COVARIATE, MICRO, f"{settings.covariate_key}, as the assignment says")
    below = None if measure.n is None else PRE + measure.n
    return Past(PRE + measure.y, below, HAS_HISTORY, measure.scale, f"{measure} before the first assignment")


def products(measure: RatioMeasure, settings: CupedSettings) -> set[tuple[str, str]]:
    """What the adjustment needs of the units."""
    found = past(measure, settings)
    return needs(measure.y, measure.n, found.x, found.d, found.h)


def adjusted(
    measure: RatioMeasure, settings: CupedSettings, control: tuple[str, Aggregates], candidate: tuple[str, Aggregates]
) -> tuple[Cuped, CupedTold]:
    """Both comparisons, and what stands beside them in a report. Arms are given by name and sums."""
    found = past(measure, settings)
    (before, first), (after, second) = control, candidate
    done = cuped(
        first, second, measure.y, measure.n, found.x, found.d, found.h,
        scale=measure.scale, covariate_scale=found.scale,
    )  # fmt: skip
    missing = dict(zip((before, after), done.missing, strict=True))
    told = CupedTold(
        covariate=found.told, reduction=done.variance_reduction, missing=missing,
        balance=done.balance.difference, balance_p=done.balance.p, used=bool(done.theta), note=done.note,
    )  # fmt: skip
    return done, told
