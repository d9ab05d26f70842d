"""Coverage, novelty and Gini of two arms, at as many impressions as the smaller one has."""

from __future__ import annotations

from collections.abc import Mapping

from recsys.contracts.decision import Effect, Measured
from recsys.contracts.estimate import Estimate
from recsys.evaluation.experiment.impressions import Impressions
from recsys.evaluation.experiment.look import Look
from recsys.evaluation.experiment.measures import SpreadMeasure
from recsys.evaluation.metrics.base import Cut
from recsys.evaluation.metrics.coverage import Coverage
from recsys.evaluation.metrics.gini import Gini
from recsys.statistics import rarefaction
from recsys.statistics.rarefaction import Shown, Spread, Statistic, spread_difference
from recsys.text import printable

GROUPED = "groups of users as units (jackknife)"
RAREFIED = "rarefied to {:,} impressions in both arms"
SHARDED = "impressions by item do not travel in moments: give the logs themselves"


def measured(
    measure: SpreadMeasure, seen: Impressions | None, names: tuple[str, str], units: Mapping[str, int], look: Look,
    seed: int,
) -> Measured:  # fmt: skip
    """The metric of the two arms of these names, ``units`` of which are assigned."""
    if seen is None:
        return _told(measure, Spread(None, note=SHARDED), names, units, Effect(value=None, note=SHARDED))
    absent = [name for name in names if name not in seen.arms]
    if absent:
        note = f"no unit is in {' and '.join(map(printable, absent))}"
        return _told(measure, Spread(None, note=note), names, units, Effect(value=None, note=note))
    control, candidate = (_shown(measure, seen, name) for name in names)
    found = spread_difference(control, candidate, _statistic(measure, seen), seed=seed)
    return _told(measure, found, names, units, _effect(found, sum(units.values()), look))


def _shown(measure: SpreadMeasure, seen: Impressions, name: str) -> Shown:
    """The arm's impressions; of what is not in the catalogue only novelty speaks."""
    metric = measure.metric
    tables = seen.arms[name]
    kept = slice(None) if not isinstance(metric, Coverage | Gini) else seen.listed
    whole = tables[None][:, kept]
    if not isinstance(metric, Cut):
        return Shown(whole)
    cut = tables[metric.k][:, kept]
    return Shown(cut, whole - cut)


def _statistic(measure: SpreadMeasure, seen: Impressions) -> Statistic:
    if isinstance(measure.metric, Coverage):
        return rarefaction.coverage(max(seen.population, 1))
    return rarefaction.gini(max(seen.population, 1)) if isinstance(measure.metric, Gini) else rarefaction.novelty


def _effect(found: Spread, units: int, look: Look) -> Effect:
    if found.value is None:
        return Effect(value=None, note=found.note)
    relative = found.value / found.control if found.control else None
    if found.se is None:
        return Effect(value=found.value, relative=relative, note=found.note)
    half = look.reach(units, found.degrees) * found.se
    low, high = found.value - half, found.value + half
    times = 1 / found.control if found.control else None
    return Effect(
        value=found.value, low=low, high=high, relative=relative,
        relative_low=None if times is None else low * times, relative_high=None if times is None else high * times,
        bounded=times is not None, se=found.se, level=look.level, method=look.method,
        corrections=[GROUPED, RAREFIED.format(found.impressions), *look.corrections],
        p=look.p(found.value / found.se, units, found.degrees), note=found.note,
    )  # fmt: skip


def _told(
    measure: SpreadMeasure, found: Spread, names: tuple[str, str], units: Mapping[str, int], effect: Effect
) -> Measured:
    control, candidate = (
        Estimate(value=value, n=found.impressions, units=units[name], note=found.note)
        for value, name in ((found.control, names[0]), (found.candidate, names[1]))
    )
    return Measured(
        metric=str(measure), words=measure.words, better=measure.better, control=control, candidate=candidate,
        effect=effect,
    )  # fmt: skip
