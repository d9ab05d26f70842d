"""How impressions spread over items, with intervals by leaving out one group of users at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from recsys.attribution.engine import Engine
from recsys.attribution.figures import estimated
from recsys.attribution.join import Joined
from recsys.contracts.report import Estimate
from recsys.evaluation.metrics import Metric, impressions
from recsys.evaluation.metrics.coverage import Coverage
from recsys.evaluation.metrics.gini import Gini
from recsys.evaluation.metrics.impressions import Group, Items
from recsys.evaluation.metrics.novelty import Novelty
from recsys.evaluation.metrics.spread import Shown, Spread, without
from recsys.evaluation.metrics.user_buckets import GROUPS
from recsys.evaluation.offline_scores import Lost
from recsys.evaluation.offline_slices import Add, Slice, columns_of
from recsys.statistics.jackknife import jackknife

JACKKNIFE = "delete-a-group jackknife, {kept} of {groups} groups of users"
SPREAD_NOTE = "it depends on the number of impressions: compare only at equal numbers"

SpreadMetric: TypeAlias = Coverage | Novelty | Gini
Place = tuple[str, str]
LeftOut = dict[tuple[str, str, str], list[float | None]]
"""By metric, slice key and slice value: the figure without each group of users, None where it was shown nothing."""


def add_spreads(
    joined: Joined,
    metrics: Sequence[Metric],
    slices: list[Slice],
    catalogue: bool,
    lost: Lost,
    level: float,
    add: Add,
) -> dict[str, list[float | None]]:
    """Add coverage, novelty and Gini; the figures of the whole without each group of users, by name."""
    asked = [metric for metric in metrics if isinstance(metric, Coverage | Novelty | Gini)]
    if not asked:
        return {}
    cuts = sorted({metric.k for metric in asked if not isinstance(metric, Gini)})
    kept = impressions.count_impressions(joined.engine, cuts, columns_of(slices))
    spreads, left_out = _figures(joined.engine, asked, slices, cuts, catalogue, kept)
    for (key, value), spread in spreads.items():
        for metric in asked:
            add(str(metric), key, value, _estimate(metric, spread, left_out[str(metric), key, value], lost, level))
    return {str(metric): left_out[str(metric), "", ""] for metric in asked}


def _figures(
    engine: Engine, asked: Sequence[SpreadMetric], slices: list[Slice], cuts: Sequence[int], catalogue: bool, kept: int
) -> tuple[dict[Place, Spread], LeftOut]:
    """The spread of each slice, and what is left of the figures without each group of users."""
    items = impressions.items(engine, catalogue=catalogue)
    columns = [each.column for each in slices]
    whole = impressions.whole(engine, cuts, columns, items.shown)
    spreads = _spreads(slices, whole, items, cuts)
    left_out: LeftOut = defaultdict(lambda: [None] * kept)
    for group in impressions.groups(engine, cuts, columns, items.shown, kept):
        population = items.population if catalogue else int(np.count_nonzero(whole.overall - group.overall))
        for each in slices:
            for value, gone in group.slices[each.column].items():
                if (each.key, value) in spreads:
                    rest = without(spreads[each.key, value], gone, group.overall, population)
                    for metric in asked:
                        left_out[str(metric), each.key, value][group.number] = metric.of(rest)
    return spreads, left_out


def _spreads(slices: list[Slice], whole: Group, items: Items, cuts: Sequence[int]) -> dict[Place, Spread]:
    nothing = np.zeros(0, dtype=np.int64)
    total = int(whole.overall.sum())
    found = {}
    for each in slices:
        shown = whole.slices[each.column]
        for value in each.values:
            part = shown.get(value, Shown(nothing, nothing, dict.fromkeys(cuts, nothing)))
            if each.key == "" or value in shown:
                found[each.key, value] = Spread(
                    items=part.item, shown=part.n, shown_in_cut=part.in_cut, shown_overall=whole.overall[part.item],
                    total_overall=total, population=items.population, listed=items.listed[part.item],
                )  # fmt: skip
    return found


def _estimate(
    metric: SpreadMetric, spread: Spread, left_out: Sequence[float | None], lost: Lost, level: float
) -> Estimate:
    figure, n = metric.of(spread), int(spread.shown.sum())
    told = (SPREAD_NOTE if figure is not None else "nothing was shown", str(lost) if lost else "")
    if figure is None:
        return Estimate(value=None, n=n, note="; ".join(filter(None, told)))
    rest = [value for value in left_out if value is not None]
    groups = GROUPS if len(left_out) < GROUPS else len(rest)  # of the others it is not known which have users
    found = jackknife(figure, rest, groups=groups, level=level, lowest=metric.lowest, highest=metric.highest)
    note = "; ".join(filter(None, (found.note, *told)))
    return estimated(found, n, None, JACKKNIFE.format(kept=len(rest), groups=groups), level=level, note=note)
