"""Two reports compared, from the sums by bucket of users that each carries.

Of the same requests the comparison is paired. Else users that are in both share their bucket, so what is alike in them
leaves the difference; but the requests differ in more than what is to be compared, and that is said.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from msgspec import Struct

from recsys.attribution.figures import estimated
from recsys.contracts.buckets import Buckets, SliceBuckets
from recsys.contracts.report import Estimate, Report
from recsys.contracts.report_comparison import Change, Compared, ReportComparison
from recsys.evaluation import report_settings
from recsys.evaluation.metrics import Metric, parse
from recsys.evaluation.metrics.base import Scored
from recsys.evaluation.metrics.coverage import Coverage
from recsys.evaluation.metrics.gini import Gini
from recsys.evaluation.metrics.intra_list_diversity import IntraListDiversity
from recsys.evaluation.metrics.user_buckets import GROUPS
from recsys.evaluation.offline_buckets import MIN_USERS
from recsys.statistics.jackknife import jackknife
from recsys.statistics.missing import widened
from recsys.statistics.moments import SCALE
from recsys.statistics.ratio import t_quantile

PAIRED = "paired: the same requests"
NOT_CAUSAL = "not a causal comparison: the requests differ"
IDENTICAL = "the same logs under the same settings: no difference is possible"
BY_BUCKET = "delta method, buckets of users paired"
BY_GROUP = "delete-a-group jackknife of the difference, groups of users paired"
_WIDENED = "; widened by the worst case of what is in no log"
_SPREADS = "not compared: it depends on the number of impressions"
_ALIKE = "the sums are equal though the requests differ: no interval can be given"

Place = tuple[str, str, str]


class _Both(Struct, frozen=True):
    """Both reports, with what decides how they are compared."""

    a: Report
    b: Report
    identical: bool
    same_requests: bool
    same_catalogue: bool
    level: float


def compare(baseline: Report, candidate: Report) -> ReportComparison:
    """Candidate − baseline, metric by metric, at the level of the candidate's report."""
    one, other = baseline.buckets, candidate.buckets
    identical = report_settings.identical(baseline, candidate)
    both = _Both(
        a=baseline, b=candidate, identical=identical,
        same_requests=one is not None and other is not None and one.requests == other.requests,
        same_catalogue=report_settings.catalogue(baseline) == report_settings.catalogue(candidate),
        level=report_settings.level(candidate),
    )  # fmt: skip
    return ReportComparison(
        baseline=_compared(baseline),
        candidate=_compared(candidate),
        same_requests=both.same_requests,
        identical=identical,
        label=IDENTICAL if identical else PAIRED if both.same_requests else NOT_CAUSAL,
        notes=report_settings.differences(baseline, candidate),
        changes=list(_changes(both)),
    )


def better(metric: str) -> str:
    """``lower`` of Gini, for its 0 is the even spread; ``higher`` of all others."""
    return "lower" if metric == Gini.word else "higher"


def _compared(report: Report) -> Compared:
    exposures = report.data_quality.exposures
    return Compared(
        run_id=report.run_id, created_at=report.created_at, version=report.version, status=report.summary.status,
        exposures=exposures.distinct, impressions=exposures.impressions,
    )  # fmt: skip


def _changes(both: _Both) -> Iterator[Change]:
    before, after = _estimates(both.a), _estimates(both.b)
    for place in [*after, *(place for place in before if place not in after)]:
        metric, key, value = place
        a, b = before.get(place), after.get(place)
        if a is None or b is None:
            change = _none(f"it is in the {'candidate' if a is None else 'baseline'} alone")
        elif a.value is None or b.value is None:
            change = _none(f"the {'baseline' if a.value is None else 'candidate'} has no figure")
        else:
            change = _change(both, place, a, b)
        yield Change(
            metric=metric, slice_key=key, slice_value=value, better=better(metric),  # type: ignore[arg-type]
            baseline=a and a.value, candidate=b and b.value, change=change,
        )  # fmt: skip


def _estimates(report: Report) -> dict[Place, Estimate]:
    return {(r.metric, r.slice_key, r.slice_value): r.estimate for r in report.results}


def _none(note: str) -> Estimate:
    return Estimate(value=None, n=0, note=note)


def _change(both: _Both, place: Place, a: Estimate, b: Estimate) -> Estimate:
    assert a.value is not None  # noqa: S101 - seen by the caller
    assert b.value is not None  # noqa: S101 - seen by the caller
    if both.identical and a.value == b.value:
        return Estimate(value=0.0, n=b.n, units=b.units, low=0.0, high=0.0, level=both.level, method=IDENTICAL)
    metric = parse(place[0].split("|")[0])
    if why := _not_compared(both, metric):
        return _none(f"not compared: {why}")
    if isinstance(metric, Scored | IntraListDiversity):
        return _of_sums(both, place, metric, a, b)
    if a.n != b.n:
        return _none(f"{_SPREADS} ({a.n:,} in the baseline, {b.n:,} in the candidate)")
    if place[1]:
        return Estimate(value=b.value - a.value, n=b.n, note="no interval: a report holds no sums of it by slice")
    return _of_groups(both, place[0], a.value, b.value, b.n)


def _not_compared(both: _Both, metric: Metric) -> str:
    """Why nothing of this metric is, whatever the slice."""
    if isinstance(metric, Coverage | Gini | IntraListDiversity) and not both.same_catalogue:
        return "the catalogues differ"
    for report, name in ((both.a, "baseline"), (both.b, "candidate")):
        if report.buckets is None:
            return f"the {name} was made by an earlier version, and holds no sums by bucket of users"
    return ""


def _of_groups(both: _Both, name: str, a: float, b: float, n: int) -> Estimate:
    """The difference of a spread: both runs without each group of users in turn."""
    one, other = (report.buckets.left_out.get(name, []) if report.buckets else [] for report in (both.a, both.b))
    pairs = [(x, y) for x, y in zip(one, other, strict=False) if x is not None and y is not None]
    if both.same_requests and pairs and a == b and all(x == y for x, y in pairs):
        return Estimate(value=0.0, n=n, low=0.0, high=0.0, level=both.level, method=BY_GROUP)
    groups = len(pairs) if len(one) == len(other) == GROUPS else GROUPS
    found = jackknife(b - a, [y - x for x, y in pairs], groups=groups, level=both.level)
    return estimated(found, n, None, BY_GROUP, level=both.level)


def _of_sums(both: _Both, place: Place, metric: Scored | IntraListDiversity, a: Estimate, b: Estimate) -> Estimate:
    """The difference of a mean, from sums over the buckets that both reports have."""
    import numpy as np

    from recsys.statistics.paired import coarsen, paired_difference

    one, other = _slice(both.a.buckets, place), _slice(both.b.buckets, place)
    if one is None or other is None:
        which, report, estimate = ("baseline", both.a, a) if one is None else ("candidate", both.b, b)
        return _none(f"not compared: {_why_no_sums(which, report, place[1], estimate)}")
    y, n = _names(place[0])
    count = min(one.count, other.count)
    arrays = [
        coarsen(np.array(part[name], dtype=object), count) if name in part else None
        for each in (one, other) for part, name in ((each.y, y), (each.n, n))
    ]  # fmt: skip
    if any(array is None for array in arrays):
        return _none("not compared: a report holds no sums of it")
    found = paired_difference(*arrays, scale=SCALE)  # type: ignore[arg-type]
    users = min(one.users, other.users)
    if found.value is None or found.se is None:
        return Estimate(value=found.value, n=b.n, units=users, note=found.note)
    if not found.se and not both.same_requests:
        return Estimate(value=found.value, n=b.n, units=users, note=_ALIKE)
    half = found.se * t_quantile(found.degrees, both.level) if found.se else 0.0
    low, high = found.value - half, found.value + half
    method = BY_BUCKET
    if found.se and (_lost(both.a) or _lost(both.b)):
        low, high = low + _shift(both, metric, a, b)[0], high + _shift(both, metric, a, b)[1]
        method += _WIDENED
    return Estimate(
        value=found.value, n=b.n, units=users, low=low, high=high, level=both.level, method=method, note=found.note
    )


def _why_no_sums(which: str, report: Report, key: str, estimate: Estimate) -> str:
    withheld = report.buckets.withheld.get(key, "") if report.buckets else ""
    if withheld and (estimate.units or 0) >= MIN_USERS:
        return f"the {which} has no sums of it: {withheld}"
    return f"the {which} has too few users for sums of which none is over fewer than 10"


def _slice(buckets: Buckets | None, place: Place) -> SliceBuckets | None:
    found = buckets.slices if buckets else []
    return next((part for part in found if (part.slice_key, part.slice_value) == place[1:]), None)


def _names(name: str) -> tuple[str, str]:
    """Under which names a report has the sums of a mean, and of what it is over."""
    word, _, kind = name.partition("|")
    if kind == "responded":
        return word, "responded"
    return name, name if word.startswith(IntraListDiversity.word) else "exposures"


def _lost(report: Report) -> tuple[int, int] | None:
    lost = (report.data_quality.lost_exposures, report.data_quality.lost_outcomes)
    return lost if any(lost) else None


def _shift(both: _Both, metric: Scored | IntraListDiversity, a: Estimate, b: Estimate) -> tuple[float, float]:
    """How far what is in no log could move the difference, down and up."""
    ends = []
    for report, estimate in ((both.a, a), (both.b, b)):
        value, lost = estimate.value if estimate.value is not None else math.nan, _lost(report) or (0, 0)
        outcomes = 0 if isinstance(metric, IntraListDiversity) else lost[1]
        low, high = widened(
            value, value, estimate.n, lowest=metric.lowest, highest=metric.highest, missing=lost[0], uncertain=outcomes
        )
        ends.append((low - value, high - value))
    (low_a, high_a), (low_b, high_b) = ends
    return low_b - high_a, high_b - low_a
