"""Means of scores, with intervals that know that a user's lists are alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from recsys.attribution.figures import DELTA
from recsys.attribution.join import Joined
from recsys.contracts.report import Estimate
from recsys.evaluation.metrics import Metric
from recsys.evaluation.metrics import reduce as reducing
from recsys.evaluation.metrics.base import Scored
from recsys.evaluation.metrics.intra_list_diversity import IntraListDiversity
from recsys.evaluation.offline_buckets import Sums
from recsys.evaluation.offline_slices import Add, Slice, columns_of
from recsys.statistics.missing import widened
from recsys.statistics.moments import Moments
from recsys.statistics.ratio import LEVEL, ratio

WIDENED = f"{DELTA}; widened by the worst case of what is in no log"
INFERRED = "an inference: orphans credited to lists of the same user count too"


class Lost(Struct, frozen=True):
    """What is known to be in no log: lists that were shown, and outcomes. Either may belong to any slice."""

    exposures: int = 0
    outcomes: int = 0

    def __bool__(self) -> bool:
        return bool(self.exposures or self.outcomes)

    def __str__(self) -> str:
        told = ((self.exposures, "lists that were shown"), (self.outcomes, "outcomes"))
        return f"{' and '.join(f'{count:,} {what}' for count, what in told if count)} are in no log"


NOTHING = Lost()


def add_scores(
    joined: Joined,
    metrics: Sequence[Metric],
    slices: list[Slice],
    lost: Lost,
    level: float,
    add: Add,
    sums: Sums,
) -> None:
    """Each score over all exposures and over those that responded; and with a fallback, beside it what it is with the
    inferred credits, under a name of its own."""
    scored = [metric for metric in metrics if isinstance(metric, Scored)]
    for each, value, found in _sums(joined, scored, slices, "relevant"):
        sums.scores(each.key, value, found.buckets, [str(metric) for metric in scored])
        for metric, both in zip(scored, found.moments, strict=True):
            add(str(metric), each.key, value, mean(both.overall, metric, lost, level))
            add(f"{metric}|responded", each.key, value, mean(both.responded, metric, lost, level))
    if joined.policy.fallback is None:
        return
    for each, value, found in _sums(joined, scored, slices, "relevant_or_inferred"):
        sums.more_scores(each.key, value, found.buckets, [f"{metric}|inferred" for metric in scored])
        for metric, both in zip(scored, found.moments, strict=True):
            estimate = mean(both.overall, metric, lost, level)
            note = "; ".join(filter(None, (INFERRED, estimate.note)))
            add(f"{metric}|inferred", each.key, value, replace(estimate, note=note))


def _sums(
    joined: Joined, scored: Sequence[Scored], slices: list[Slice], relevant: str
) -> Iterator[tuple[Slice, str, reducing.ScoreSums]]:
    """The sums of the scores in each slice."""
    if not scored:
        return
    reducing.score(joined.engine, scored, relevant)
    reducing.sum_by_user(joined.engine, len(scored), columns_of(slices))
    whole: dict[str, reducing.ScoreSums] = {}
    for each in slices:
        if each.key and len(each.values) == 1:  # such as the one tenant of a log: that is the whole again
            found = dict(zip(each.values, whole.values(), strict=False))
        else:
            found = reducing.score_sums(joined.engine, len(scored), each.column, each.values if each.cut else None)
        whole = whole or found
        for value, sums in found.items():
            yield each, value, sums


def mean(moments: Moments, metric: Scored | IntraListDiversity, lost: Lost = NOTHING, level: float = LEVEL) -> Estimate:
    """The estimate of a mean score: ``n`` exposures of ``units`` users. Its interval holds whatever the scores are of
    what is ``lost``; the value is that of what is logged."""
    found = ratio(moments, level=level, lowest=metric.lowest, highest=metric.highest)
    if found.low is None or found.high is None:
        note = "; ".join(filter(None, (found.note, _bounds(found.value, moments.n, metric, lost))))
        return Estimate(value=found.value, n=moments.n, units=moments.units, note=note)
    low, high = _widened(found.low, found.high, moments.n, metric, lost)
    return Estimate(
        value=found.value, n=moments.n, units=moments.units, low=low, high=high, level=level,
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


def add_diversity(
    joined: Joined,
    metrics: Sequence[Metric],
    slices: list[Slice],
    catalogue: bool,
    lost: Lost,
    level: float,
    add: Add,
    sums: Sums,
) -> None:
    """Diversity within lists; without a catalogue it says what is missing."""
    for metric in (metric for metric in metrics if isinstance(metric, IntraListDiversity)):
        if not catalogue:
            add(
                str(metric), "", "", Estimate(value=None, n=0, note="unavailable: give a catalogue with tags (--items)")
            )
            continue
        for each in slices:
            for value, (moments, buckets) in reducing.diversity_sums(joined.engine, metric, each.column).items():
                add(str(metric), each.key, value, mean(moments, metric, lost, level))
                sums.diversity(each.key, value, buckets, str(metric))
