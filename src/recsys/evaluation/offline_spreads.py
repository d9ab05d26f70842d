"""How impressions spread over items, with intervals by leaving out one group of users at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from recsys.attribution.join import Joined
from recsys.contracts.report import Estimate
from recsys.evaluation.metrics import Metric, impressions
from recsys.evaluation.metrics.coverage import Coverage
from recsys.evaluation.metrics.gini import Gini
from recsys.evaluation.metrics.novelty import Novelty
from recsys.evaluation.metrics.spread import Spread, without
from recsys.evaluation.metrics.user_buckets import GROUPS
from recsys.evaluation.offline_scores import Lost
from recsys.evaluation.offline_slices import Add, Slice, columns_of
from recsys.statistics.jackknife import jackknife

JACKKNIFE = f"delete-a-group jackknife, {GROUPS} groups of users"
SPREAD_NOTE = "it depends on the number of impressions: compare only at equal numbers"

SpreadMetric: TypeAlias = Coverage | Novelty | Gini
Place = tuple[str, str]
LeftOut = dict[tuple[str, str, str], list[float]]
"""By metric, slice key and slice value: the figure without each group of users that was shown anything."""


def add_spreads(
    joined: Joined,
    metrics: Sequence[Metric],
    slices: list[Slice],
    catalogue: bool,
    lost: Lost,
    level: float,
    add: Add,
) -> dict[str, list[float]]:
    """Add coverage, novelty and Gini; the figures of the whole without each group of users, by name."""
    asked = [metric for metric in metrics if isinstance(metric, Coverage | Novelty | Gini)]
    if not asked:
        return {}
    cuts = sorted({metric.k for metric in asked if not isinstance(metric, Gini)})
    impressions.count_impressions(joined.engine, cuts, columns_of(slices))
    spreads: dict[Place, Spread] = {}
    for each in slices:
        found = impressions.spreads(joined.engine, cuts, each.column, catalogue=catalogue)
        spreads |= {(each.key, value): spread for value, spread in found.items() if value in set(each.values)}
    left_out = _left_out(joined, asked, slices, spreads, cuts, catalogue)
    for (key, value), spread in spreads.items():
        for metric in asked:
            add(str(metric), key, value, _estimate(metric, spread, left_out[str(metric), key, value], lost, level))
    return {str(metric): left_out[str(metric), "", ""] for metric in asked}


def _left_out(
    joined: Joined,
    asked: Sequence[SpreadMetric],
    slices: list[Slice],
    spreads: Mapping[Place, Spread],
    cuts: Sequence[int],
    catalogue: bool,
) -> LeftOut:
    left_out: LeftOut = defaultdict(list)
    whole = spreads["", ""]
    every = np.zeros(int(whole.items[-1]) + 1 if len(whole.items) else 0, dtype=np.int64)
    every[whole.items] = whole.shown
    for group in impressions.groups(joined.engine, cuts, [each.column for each in slices]):
        overall = np.zeros_like(every)
        overall[group.overall["item"]] = group.overall["n"]
        population = whole.population if catalogue else int(np.count_nonzero(every - overall))
        for each in slices:
            for value, shown in group.slices[each.column].items():
                if (each.key, value) in spreads:
                    rest = without(spreads[each.key, value], shown, overall, population)
                    for metric in asked:
                        figure = metric.of(rest)
                        if figure is not None:
                            left_out[str(metric), each.key, value].append(figure)
    return left_out


def _estimate(metric: SpreadMetric, spread: Spread, left_out: Sequence[float], lost: Lost, level: float) -> Estimate:
    figure, n = metric.of(spread), int(spread.shown.sum())
    told = (SPREAD_NOTE if figure is not None else "nothing was shown", str(lost) if lost else "")
    if figure is None:
        return Estimate(value=None, n=n, note="; ".join(filter(None, told)))
    found = jackknife(figure, left_out, level=level, lowest=metric.lowest, highest=metric.highest)
    note = "; ".join(filter(None, (found.note, *told)))
    if found.low is None:
        return Estimate(value=figure, n=n, note=note)
    return Estimate(value=figure, n=n, low=found.low, high=found.high, level=level, method=JACKKNIFE, note=note)
