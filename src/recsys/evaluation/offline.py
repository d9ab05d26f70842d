"""Offline metrics: over all exposures and by slice, with intervals where a formula gives one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from recsys.attribution.join import Joined
from recsys.contracts.report import UNKNOWN, Estimate, MetricResult
from recsys.evaluation.metrics import Metric
from recsys.evaluation.metrics import reduce as reducing
from recsys.evaluation.metrics.base import Scored
from recsys.evaluation.metrics.coverage import Coverage
from recsys.evaluation.metrics.gini import Gini
from recsys.evaluation.metrics.intra_list_diversity import IntraListDiversity
from recsys.evaluation.metrics.novelty import Novelty
from recsys.statistics.moments import Moments
from recsys.statistics.ratio import LEVEL, ratio

DELTA = "delta method, users as units"
SPREAD_NOTE = "no interval: it depends on the number of impressions; compare only at equal numbers"
MAX_SLICES = 200
"""Values of one slice key that are reported: those with the most exposures. The rest is named in a warning."""

Columns = list[tuple[str, str | None]]
"""Slice keys with the column that holds their values; "" and None stand for all exposures."""
Add = Callable[[str, str, str, Estimate], None]
"""Takes the estimate of a metric in a slice: name, key, value, estimate."""


def evaluate(joined: Joined, metrics: Sequence[Metric], *, catalogue: bool) -> tuple[list[MetricResult], list[str]]:
    """Results in the order of ``metrics``, all exposures first, then by slice key; and warnings."""
    columns: Columns = [("", None)]
    columns += [(key, f"slice_{place}") for place, key in enumerate(joined.slice_keys, start=1)]
    kept, warnings = _slices_to_report(joined)
    by_metric: dict[tuple[str, str, str], list[MetricResult]] = {}

    def add(name: str, key: str, value: str, estimate: Estimate) -> None:
        if not key or value in kept[key]:
            result = MetricResult(metric=name, slice_key=key, slice_value=value, estimate=estimate)
            by_metric.setdefault((key, value, name.split("|")[0]), []).append(result)

    _add_scores(joined, metrics, columns, kept, add)
    _add_spreads(joined, metrics, columns, catalogue, add)
    for metric in metrics:
        if isinstance(metric, IntraListDiversity):
            _add_diversity(joined, metric, columns, catalogue, add)
    order = [("", ""), *((key, value) for key in joined.slice_keys for value in kept[key])]
    return [
        result for key, value in order for metric in metrics for result in by_metric.get((key, value, str(metric)), [])
    ], warnings


def _slices_to_report(joined: Joined) -> tuple[dict[str, list[str]], list[str]]:
    kept: dict[str, list[str]] = {}
    warnings = []
    for place, key in enumerate(joined.slice_keys, start=1):
        values = joined.connection.execute(
            f"SELECT coalesce(slice_{place}, '{UNKNOWN}') AS value FROM exposures GROUP BY value "  # noqa: S608 - our own text
            "ORDER BY count(*) DESC, value"
        ).fetchall()
        kept[key] = sorted(value for (value,) in values[:MAX_SLICES])
        if len(values) > MAX_SLICES:
            warnings.append(
                f"{key} has {len(values):,} values; metrics are reported for the {MAX_SLICES} with the most exposures."
            )
    return kept, warnings


def _add_scores(
    joined: Joined, metrics: Sequence[Metric], columns: Columns, kept: dict[str, list[str]], add: Add
) -> None:
    scored = [metric for metric in metrics if isinstance(metric, Scored)]
    if not scored:
        return
    reducing.score(joined.connection, scored)
    reducing.sum_by_user(joined.connection, len(scored), [column for _, column in columns if column])
    whole: dict[str, list[reducing.ScoreMoments]] = {}
    for key, column in columns:
        if key and len(kept[key]) == 1:  # such as the one tenant of a log: that is the whole again
            found = dict(zip(kept[key], whole.values(), strict=False))
        else:
            found = reducing.score_moments(joined.connection, len(scored), column)
        whole = whole or found
        for value, moments in found.items():
            for metric, both in zip(scored, moments, strict=True):
                add(str(metric), key, value, mean(both.overall, metric))
                add(f"{metric}|responded", key, value, mean(both.responded, metric))


def mean(moments: Moments, metric: Scored | IntraListDiversity) -> Estimate:
    """The estimate of a mean score: ``n`` exposures of ``units`` users."""
    found = ratio(moments, lowest=metric.lowest, highest=metric.highest)
    has_interval = found.low is not None
    return Estimate(
        value=found.value,
        n=moments.n,
        units=moments.units,
        low=found.low,
        high=found.high,
        level=LEVEL if has_interval else None,
        method=DELTA if has_interval else "",
        note=found.note,
    )


def _add_spreads(joined: Joined, metrics: Sequence[Metric], columns: Columns, catalogue: bool, add: Add) -> None:
    spread = [metric for metric in metrics if isinstance(metric, Coverage | Novelty | Gini)]
    if not spread:
        return
    cuts = sorted({metric.k for metric in spread if not isinstance(metric, Gini)})
    reducing.count_impressions(joined.connection, cuts, [column for _, column in columns if column])
    for key, column in columns:
        for value, counted in reducing.spreads(joined.connection, cuts, column, catalogue=catalogue).items():
            for metric in spread:
                figure = metric.of(counted)
                note = SPREAD_NOTE if figure is not None else "nothing was shown"
                add(str(metric), key, value, Estimate(value=figure, n=int(counted.shown.sum()), note=note))


def _add_diversity(joined: Joined, metric: IntraListDiversity, columns: Columns, catalogue: bool, add: Add) -> None:
    if not catalogue:
        add(str(metric), "", "", Estimate(value=None, n=0, note="unavailable: give a catalogue with tags (--items)"))
        return
    for key, column in columns:
        for value, moments in reducing.diversity_moments(joined.connection, metric, column).items():
            add(str(metric), key, value, mean(moments, metric))
