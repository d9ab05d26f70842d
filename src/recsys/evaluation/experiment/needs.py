"""What has to be summed over the units of an experiment for what is asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from recsys.evaluation.experiment.measures import (
    REVENUE,
    UNCAPPED,
    Measure,
    QuantileMeasure,
    RatioMeasure,
    SpreadMeasure,
)
from recsys.evaluation.metrics.base import Cut
from recsys.statistics.aggregates import pairs


@dataclass(frozen=True)
class Needs:
    """``columns``: sums of units. ``pairs``: two columns, in alphabetical order, of whose product the sum is needed.
    ``latency``: histograms of it. ``spread``: impressions by item, of all ranks and within the first k of ``cuts``."""

    columns: frozenset[str] = frozenset()
    pairs: frozenset[tuple[str, str]] = frozenset()
    latency: bool = False
    spread: bool = False
    cuts: frozenset[int] = frozenset()

    def __or__(self, other: Needs) -> Needs:
        return Needs(
            columns=self.columns | other.columns,
            pairs=self.pairs | other.pairs,
            latency=self.latency or other.latency,
            spread=self.spread or other.spread,
            cuts=self.cuts | other.cuts,
        )


def of_columns(*columns: str | None) -> Needs:
    """These columns, and the products of all pairs of them; None, the constant 1, needs nothing."""
    return Needs(frozenset(column for column in columns if column is not None), frozenset(pairs(*columns)))


def needs(measures: Iterable[Measure]) -> Needs:
    """What the measures need together. Beside revenue that is capped stands the one that is not."""
    found = Needs()
    for measure in measures:
        if isinstance(measure, RatioMeasure):
            found |= of_columns(measure.y, measure.n)
            if measure.y == REVENUE:
                found |= of_columns(UNCAPPED, measure.n)
        elif isinstance(measure, QuantileMeasure):
            found |= Needs(latency=True)
        elif isinstance(measure, SpreadMeasure):
            cut = measure.metric.k if isinstance(measure.metric, Cut) else None
            found |= Needs(spread=True, cuts=frozenset() if cut is None else frozenset({cut}))
    return found
