"""From moments to figures as they are reported: of an arm, of two arms, of the log; with intervals and bounds."""

from __future__ import annotations

import math

from recsys.attribution.experiment import MICRO, SCALES, ArmSums, UnjoinedOutcomes
from recsys.contracts.report import Estimate
from recsys.contracts.trial import Bounds, Effect, LogFigure
from recsys.statistics import bounds as ends
from recsys.statistics.difference import Difference, difference
from recsys.statistics.moments import Moments
from recsys.statistics.ratio import LEVEL, Ratio, ratio

DELTA = "delta method, users as units"
WELCH = f"{DELTA}; Welch's t"
WIDENED = f"{DELTA}; widened for the users whom credited outcomes may have"
NO_INTERVAL = "no interval can be given"
BOUNDED = ("ctr", "conversion_rate", "revenue_per_exposure")
"""Figures that outcomes without an exposure could change."""


def lowest(metric: str) -> float:
    """The least that a figure can be: refunds may take revenue below 0."""
    return -math.inf if metric == "revenue_per_exposure" else 0.0


def estimated(
    found: Ratio | Difference, n: int, units: int | None, method: str, *, level: float = LEVEL, note: str | None = None
) -> Estimate:
    """What was found, as it is reported. Level and method are of the interval: without one they are not told. ``note``:
    in place of its own."""
    said = found.note if note is None else note
    if found.low is None or found.high is None:
        return Estimate(value=found.value, n=n, units=units, note=said)
    return Estimate(
        value=found.value, n=n, units=units, low=found.low, high=found.high, level=level, method=method, note=said
    )


def estimates(sums: ArmSums) -> dict[str, Estimate]:
    """The figures of an arm by name."""
    return {metric: estimate(metric, sums.moments[metric]) for metric in SCALES}


def estimate(metric: str, moments: Moments) -> Estimate:
    """A figure of one arm: ``n`` exposures (of ``exposures_per_user`` units) of ``units`` units."""
    found = ratio(moments, lowest=lowest(metric), scale=SCALES[metric])
    return estimated(found, moments.n, moments.units, DELTA)


def effect(
    metric: str, control: tuple[str, ArmSums], candidate: tuple[str, ArmSums], unjoined: UnjoinedOutcomes
) -> Effect:
    """The difference of a figure between two arms, each given by name and sums."""
    (before, first), (after, second) = control, candidate
    moments = first.moments[metric], second.moments[metric]
    found = difference(*moments, scale=SCALES[metric])
    n, units = (sum(getattr(part, name) for part in moments) for name in ("n", "units"))
    credit = unjoined.credits.get(metric)
    reached = ends.difference_bounds(*moments, credit, scale=SCALES[metric]) if credit else None
    return Effect(
        metric=metric,
        label=f"{after} − {before}",
        control=before,
        candidate=after,
        estimate=estimated(found, n, units, WELCH),
        bounds=_bounds(metric, reached, n, units, unjoined),
    )


def log_figure(metric: str, sums: ArmSums, unjoined: UnjoinedOutcomes) -> LogFigure:
    """A figure of the whole log."""
    moments = sums.moments[metric]
    credit = unjoined.credits[metric]
    reached = (
        ends.ratio_bounds(moments, credit, lowest=lowest(metric), scale=SCALES[metric]) if credit else None
    )  # fmt: skip
    return LogFigure(
        metric=metric,
        estimate=estimate(metric, moments),
        bounds=_bounds(metric, reached, moments.n, moments.units, unjoined),
    )


def _bounds(metric: str, found: ends.Bounds | None, n: int, units: int, unjoined: UnjoinedOutcomes) -> Bounds | None:
    if found is None:
        return None
    low, high = (
        estimated(Ratio(end.value, end.se, end.low, end.high, "" if end.se else NO_INTERVAL), n, units, WIDENED)
        for end in (found.low, found.high)
    )
    return Bounds(low=low, high=high, flips=found.flips, note=_assumed(metric, unjoined))


def _assumed(metric: str, unjoined: UnjoinedOutcomes) -> str:
    """What was assumed of outcomes that cannot be read, and of what others may have displaced."""
    unknown = unjoined.unread.invalid + unjoined.unread.lost
    if metric != "revenue_per_exposure":
        return f"{unknown:,} outcomes that cannot be read are each taken for one" if unknown else ""
    found = []
    largest = unjoined.largest_micros / MICRO
    if unknown and not unjoined.largest_micros:
        found.append(
            f"no value was read, so what {unknown:,} outcomes that cannot be read are worth is not in the bounds"
        )
    elif unknown:
        found.append(
            f"{unknown:,} outcomes that cannot be read are each taken for the largest value that was read, {largest:g}"
        )
    if unjoined.displacing and unjoined.largest_micros:
        found.append(
            "the first touch alone counts, so each that did not join may have been it in the place of one worth as "
            f"much as {largest:g}"
        )
    return "; ".join(found)
