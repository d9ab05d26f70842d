"""Offline metrics: over all exposures and by slice, each with its interval; and the sums for a comparison."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec import Struct

from recsys.attribution import quality
from recsys.attribution.join import Joined
from recsys.contracts.buckets import Buckets
from recsys.contracts.report import CutSlices, Estimate, MetricResult
from recsys.evaluation import offline_buckets, offline_scores, offline_spreads
from recsys.evaluation.metrics import Metric
from recsys.evaluation.metrics.reduce import sliced
from recsys.evaluation.offline_scores import Lost
from recsys.evaluation.offline_slices import Slice
from recsys.statistics.ratio import LEVEL

MAX_SLICES = 200
"""Values of one slice key that are reported: those with the most exposures. That there are more is told in a warning,
and in ``cut_slices``."""


class Found(Struct, frozen=True):
    """Results in the order of the metrics, all exposures first, then by slice key; sums by bucket; warnings; and the
    slice keys of which not all values are reported."""

    results: list[MetricResult]
    buckets: Buckets
    warnings: list[str]
    cut: list[CutSlices]


def evaluate(
    joined: Joined,
    metrics: Sequence[Metric],
    *,
    catalogue: bool,
    crossed: Sequence[tuple[str, str]] = (),
    level: float = LEVEL,
) -> Found:
    """``crossed``: pairs of slice keys by whose values together it is sliced too; ``level``: of all intervals."""
    slices, cut = _slices(joined, crossed)
    by_metric: dict[tuple[str, str, str], list[MetricResult]] = {}
    kept = {each.key: set(each.values) for each in slices}

    def add(name: str, key: str, value: str, estimate: Estimate) -> None:
        if value in kept[key]:
            result = MetricResult(metric=name, slice_key=key, slice_value=value, estimate=estimate)
            by_metric.setdefault((key, value, name.split("|")[0]), []).append(result)

    lost = Lost(quality.lost(joined.dataset, "exposures"), quality.lost(joined.dataset, "outcomes"))
    sums = offline_buckets.Sums()
    offline_scores.add_scores(joined, metrics, slices, lost, level, add, sums)
    lost = Lost(lost.exposures)  # what follows is of lists alone
    left_out = offline_spreads.add_spreads(joined, metrics, slices, catalogue, lost, level, add)
    offline_scores.add_diversity(joined, metrics, slices, catalogue, lost, level, add, sums)
    order = [(each.key, value) for each in slices for value in each.values]
    results = [
        result for key, value in order for metric in metrics for result in by_metric.get((key, value, str(metric)), [])
    ]
    warnings = [
        f"{each.key} has {each.values:,} values; metrics are reported for the {MAX_SLICES} with the most exposures."
        for each in cut
    ]
    return Found(results, offline_buckets.told(joined, sums, left_out), warnings, cut)


def _slices(joined: Joined, crossed: Sequence[tuple[str, str]]) -> tuple[list[Slice], list[CutSlices]]:
    """The whole, each slice key, and those that are crossed, with the values that are reported; and which are cut."""
    columns = {key: f"slice_{place}" for place, key in enumerate(joined.slice_keys, start=1)}
    columns |= {f"{one}*{other}": f"{columns[one]}*{columns[other]}" for one, other in crossed}
    found = [Slice("", None, ("",), False)]
    cut = []
    for key, column in columns.items():
        values = joined.engine.rows(
            f"SELECT {sliced(column)} AS value FROM exposures AS e GROUP BY value ORDER BY count(*) DESC, value"  # noqa: S608 - our own text
        )
        reported = tuple(sorted(value for (value,) in values[:MAX_SLICES]))
        found.append(Slice(key, column, reported, len(values) > MAX_SLICES))
        if len(values) > MAX_SLICES:
            most = _most_users(joined, column, frozenset(reported))
            cut.append(CutSlices(key=key, values=len(values), reported=MAX_SLICES, most_users=most))
    return found, cut


def _most_users(joined: Joined, column: str, reported: Collection[str]) -> int:
    """The most users that a value has which is not reported."""
    rows = joined.engine.rows(
        f"SELECT {sliced(column)} AS value, count(DISTINCT user_id) FROM exposures AS e GROUP BY value"  # noqa: S608 - our own text
    )
    return max((users for value, users in rows if value not in reported), default=0)
