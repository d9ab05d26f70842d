"""Effects on quantiles of latency: the difference of two histograms, with the error of a bootstrap over users."""

from __future__ import annotations

import math

from recsys.contracts.decision import Effect
from recsys.contracts.estimate import Estimate
from recsys.evaluation.experiment.look import Look
from recsys.evaluation.experiment.measures import QuantileMeasure
from recsys.evaluation.experiment.settings import BootstrapSettings
from recsys.statistics.bootstrap import QuantileDifference, quantile_difference
from recsys.statistics.histogram import Histogram

MOST_LOGS = 20.0
"""A ratio that may be e²⁰ times another has no bounds."""
CLUSTERED = "users as units (Poisson bootstrap over buckets of users)"
SILENT = "no list says how long it took: latency_ms is not logged"


def differing(
    measure: QuantileMeasure, control: Histogram, candidate: Histogram, settings: BootstrapSettings
) -> QuantileDifference:
    """Both quantiles and their difference; the weights come of the seed alone."""
    return quantile_difference(
        control, candidate, measure.quantile, seed=settings.seed, count=settings.replicates
    )  # fmt: skip


def effect(found: QuantileDifference, units: int, look: Look) -> Effect:
    """Candidate − control in ms with the interval of the look, of so many units in both arms."""
    if found.value is None:
        return Effect(value=None, note=SILENT)
    if found.se is None or found.se_ratio is None or found.ratio is None:
        return Effect(value=found.value, relative=found.ratio, note=found.note)
    reach = look.reach(units, found.degrees)
    times = 1 + found.ratio
    # Symmetric in its logarithm: no latency falls below 0
    logs = reach * found.se_ratio / times if times > 0 else MOST_LOGS
    bounded = logs < MOST_LOGS
    return Effect(
        value=found.value, low=found.value - reach * found.se, high=found.value + reach * found.se,
        relative=found.ratio, relative_low=times * math.exp(-logs) - 1 if bounded else None,
        relative_high=times * math.exp(logs) - 1 if bounded else None, bounded=bounded, se=found.se, level=look.level,
        method=look.method, corrections=[CLUSTERED, *look.corrections],
        p=look.p(found.value / found.se, units, found.degrees) if found.se else None, note=found.note,
    )  # fmt: skip


def level(value: float | None, seen: Histogram | None, units: int, lacking: int) -> Estimate:
    """The quantile of one arm over the exposures that have a latency; ``lacking`` have none."""
    note = f"{lacking:,} lists say nothing of their latency" if lacking and value is not None else ""
    n = 0 if seen is None else seen.total
    return Estimate(value=value, n=n, units=units, note=SILENT if value is None else note)
