"""Offline metrics: over all exposures and by slice, with intervals where a formula gives one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from recsys.attribution import quality
from recsys.attribution.join import Joined
from recsys.contracts.report import UNKNOWN, Estimate, MetricResult
from recsys.evaluation.metrics import Metric
from recsys.evaluation.metrics import reduce as reducing
from recsys.evaluation.metrics.base import Scored
from recsys.evaluation.metrics.coverage import Coverage
from recsys.evaluation.metrics.gini import Gini
from recsys.evaluation.metrics.intra_list_diversity import IntraListDiversity
from recsys.evaluation.metrics.novelty import Novelty
from recsys.statistics.missing import widened
from recsys.statistics.moments import Moments
from recsys.statistics.ratio import LEVEL, ratio

DELTA = "delta method, users as units"
WIDENED = f"{DELTA}; widened by the worst case of what is in no log"
INFERRED = "an inference: orphans credited to lists of the same user count too"
SPREAD_NOTE = "no interval: it depends on the number of impressions; compare only at equal numbers"
MAX_SLICES = 200
"""Values of one slice key that are reported: those with the most exposures. The rest is named in a warning."""


class Lost(Struct, frozen=True):
    """What is known to be in no log: lists that were shown, and outcomes. Either may belong to any slice."""

    exposures: int = 0
    outcomes: int = 0

    def __bool__(self) -> bool:
        return bool(self.exposures or self.outcomes)

    def __str__(self) -> str:
        told = ((self.exposures, "lists that were shown"), (self.outcomes, "outcomes"))
        return f"{' and '.join(f'{count:,} {what}' for count, what in told if count)} are in no log"


Columns = list[tuple[str, str | None]]
"""Slice keys with the column that holds their values; "" and None stand for all exposures."""
NOTHING = Lost()
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

    lost = Lost(quality.lost(joined.dataset, "exposures"), quality.lost(joined.dataset, "outcomes"))
    _add_scores(joined, metrics, columns, kept, lost, add)
    if joined.policy.fallback is not None:
        _add_inferred(joined, metrics, columns, kept, lost, add)
    lost = Lost(lost.exposures)  # what follows is of lists alone
    _add_spreads(joined, metrics, columns, catalogue, lost, add)
    for metric in metrics:
        if isinstance(metric, IntraListDiversity):
            _add_diversity(joined, metric, columns, catalogue, lost, add)
    order = [("", ""), *((key, value) for key in joined.slice_keys for value in kept[key])]
    return [
        result for key, value in order for metric in metrics for result in by_metric.get((key, value, str(metric)), [])
    ], warnings


def _slices_to_report(joined: Joined) -> tuple[dict[str, list[str]], list[str]]:
    kept: dict[str, list[str]] = {}
    warnings = []
    for place, key in enumerate(joined.slice_keys, start=1):
        values = joined.engine.rows(
            f"SELECT coalesce(slice_{place}, '{UNKNOWN}') AS value FROM exposures GROUP BY value "  # noqa: S608 - our own text
            "ORDER BY count(*) DESC, value"
        )
        kept[key] = sorted(value for (value,) in values[:MAX_SLICES])
        if len(values) > MAX_SLICES:
            warnings.append(
                f"{key} has {len(values):,} values; metrics are reported for the {MAX_SLICES} with the most exposures."
            )
    return kept, warnings


def _add_scores(
    joined: Joined, metrics: Sequence[Metric], columns: Columns, kept: dict[str, list[str]], lost: Lost, add: Add
) -> None:
    for key, value, metric, both in _moments(joined, metrics, columns, kept, "relevant"):
        add(str(metric), key, value, mean(both.overall, metric, lost))
        add(f"{metric}|responded", key, value, mean(both.responded, metric, lost))


def _add_inferred(
    joined: Joined, metrics: Sequence[Metric], columns: Columns, kept: dict[str, list[str]], lost: Lost, add: Add
) -> None:
    """Beside each score what it is with the inferred credits, under a name of its own."""
    for key, value, metric, both in _moments(joined, metrics, columns, kept, "relevant_or_inferred"):
        found = mean(both.overall, metric, lost)
        add(f"{metric}|inferred", key, value, replace(found, note="; ".join(filter(None, (INFERRED, found.note)))))


def _moments(
    joined: Joined, metrics: Sequence[Metric], columns: Columns, kept: dict[str, list[str]], relevant: str
) -> Iterator[tuple[str, str, Scored, reducing.ScoreMoments]]:
    """The moments of each score in each slice: key, value, metric, moments."""
    scored = [metric for metric in metrics if isinstance(metric, Scored)]
    if not scored:
        return
    reducing.score(joined.engine, scored, relevant)
    reducing.sum_by_user(joined.engine, len(scored), [column for _, column in columns if column])
    whole: dict[str, list[reducing.ScoreMoments]] = {}
    for key, column in columns:
        if key and len(kept[key]) == 1:  # such as the one tenant of a log: that is the whole again
            found = dict(zip(kept[key], whole.values(), strict=False))
        else:
            found = reducing.score_moments(joined.engine, len(scored), column)
        whole = whole or found
        for value, moments in found.items():
            for metric, both in zip(scored, moments, strict=True):
                yield key, value, metric, both


def mean(moments: Moments, metric: Scored | IntraListDiversity, lost: Lost = NOTHING) -> Estimate:
    """The estimate of a mean score: ``n`` exposures of ``units`` users. Its interval holds whatever the scores are of
    what is ``lost``; the value is that of what is logged."""
    found = ratio(moments, lowest=metric.lowest, highest=metric.highest)
    if found.low is None or found.high is None:
        note = "; ".join(filter(None, (found.note, _bounds(found.value, moments.n, metric, lost))))
        return Estimate(value=found.value, n=moments.n, units=moments.units, note=note)
    low, high = _widened(found.low, found.high, moments.n, metric, lost)
    return Estimate(
        value=found.value, n=moments.n, units=moments.units, low=low, high=high, level=LEVEL,
        method=WIDENED if lost else DELTA, note="; ".join(filter(None, (found.note, str(lost) if lost else ""))),
    )  # fmt: skip


def _widened(low: float, high: float, n: int, metric: Scored | IntraListDiversity, lost: Lost) -> tuple[float, float]:
    """A lost list may have any score, or be none of those that the mean is over; a lost outcome may change the score of
    one list to any other, or make it one of them, which moves the mean by less."""
    return widened(
        low, high, n, lowest=metric.lowest, highest=metric.highest, missing=lost.exposures, uncertain=lost.outcomes
    )


def _bounds(value: float | None, n: int, metric: Scored | IntraListDiversity, lost: Lost) -> str:
    """Where there is no interval, the bounds of the loss are said in words: they are no interval, for chance is not in
    them."""
    if not lost:
        return ""
    if value is None:
        return str(lost)
    low, high = _widened(value, value, n, metric, lost)
    return f"{lost}: with them the mean is from {low:.4f} to {high:.4f}"


def _add_spreads(
    joined: Joined, metrics: Sequence[Metric], columns: Columns, catalogue: bool, lost: Lost, add: Add
) -> None:
    spread = [metric for metric in metrics if isinstance(metric, Coverage | Novelty | Gini)]
    if not spread:
        return
    cuts = sorted({metric.k for metric in spread if not isinstance(metric, Gini)})
    reducing.count_impressions(joined.engine, cuts, [column for _, column in columns if column])
    for key, column in columns:
        for value, counted in reducing.spreads(joined.engine, cuts, column, catalogue=catalogue).items():
            for metric in spread:
                figure = metric.of(counted)
                note = SPREAD_NOTE if figure is not None else "nothing was shown"
                note = f"{note}; {lost}" if lost else note
                add(str(metric), key, value, Estimate(value=figure, n=int(counted.shown.sum()), note=note))


def _add_diversity(
    joined: Joined, metric: IntraListDiversity, columns: Columns, catalogue: bool, lost: Lost, add: Add
) -> None:
    if not catalogue:
        add(str(metric), "", "", Estimate(value=None, n=0, note="unavailable: give a catalogue with tags (--items)"))
        return
    for key, column in columns:
        for value, moments in reducing.diversity_moments(joined.engine, metric, column).items():
            add(str(metric), key, value, mean(moments, metric, lost))
