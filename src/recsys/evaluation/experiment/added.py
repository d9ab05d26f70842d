"""What was gathered of two disjoint sets of users as if it had been gathered of both together.

In any order and grouping the sum is the same. Of parts of which one left values of a key out, only those values are in
it that both have: of another value the sum would be of some of the users, and nobody could see that.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from recsys.evaluation.experiment.cap import Cap
from recsys.evaluation.experiment.gathered import Gathered, LeftOut
from recsys.evaluation.experiment.latency import Latency
from recsys.evaluation.experiment.match_rates import MatchRates
from recsys.evaluation.experiment.origins import Origins
from recsys.evaluation.experiment.parts_added import parts_added
from recsys.evaluation.experiment.quality_added import quality_added
from recsys.evaluation.experiment.reduce import Buckets, Sums
from recsys.statistics.aggregates import Aggregates
from recsys.statistics.histogram import Histogram, histogram

Key = TypeVar("Key")
Value = TypeVar("Value")
ByArm = Mapping[str, Aggregates]


def added(one: Gathered, other: Gathered) -> Gathered:
    """Both together. ValueError for sums that do not add: of two experiments, or with two caps of revenue."""
    if one.parts.experiment_id != other.parts.experiment_id:
        raise ValueError(f"sums of two experiments: {one.parts.experiment_id!r} and {other.parts.experiment_id!r}")
    left_out = LeftOut(
        origins=_most(one.left_out.origins, other.left_out.origins),
        matched=one.left_out.matched | other.left_out.matched,
        crossed=one.left_out.crossed | other.left_out.crossed,
    )
    return Gathered(
        errors_known=dict(Counter(one.errors_known) + Counter(other.errors_known)),
        quality=quality_added(one.quality, other.quality),
        hours=[],
        parts=parts_added(one.parts, other.parts, left_out.crossed),
        sums=sums_added(one.sums, other.sums),
        matched=_matched(one.matched, other.matched, left_out),
        shown=_united(one.shown, other.shown, operator.add),
        origins=_origins(one, other),
        maturity=one.maturity + other.maturity,
        impressions=None,
        left_out=left_out,
        shards=tuple(sorted({*one.shards, *other.shards})),
    )


def sums_added(one: Sums, other: Sums) -> Sums:
    """ValueError where they were made with two caps of revenue."""
    arms = sorted({*one.arms, *other.arms})
    withheld = _first(one.withheld, other.withheld)
    slices = _whole(one.slices, one.left_out, other.slices, other.left_out, _key_of, lambda a, b: _by_arm(a, b, arms))
    buckets = {
        place: _buckets_by_arm(one.slice_buckets.get(place, {}), other.slice_buckets.get(place, {}), arms)
        for place in slices
        if place[0] not in withheld
    }
    latency_withheld = min(filter(None, (one.latency_withheld, other.latency_withheld)), default="")
    days_out = ({"": one.days_left_out}, {"": other.days_left_out})
    return Sums(
        arms=_by_arm(one.arms, other.arms, arms),
        slices=slices,
        slice_buckets=buckets,
        latency={} if latency_withheld else _united(one.latency, other.latency, _latencies),
        cap=_caps(one.cap, other.cap),
        occupied=one.occupied | other.occupied,
        left_out=_most(one.left_out, other.left_out),
        days=_whole(one.days, days_out[0], other.days, days_out[1], lambda _: "", lambda a, b: _by_arm(a, b, arms)),
        days_left_out=max(one.days_left_out, other.days_left_out),
        withheld=withheld,
        latency_withheld=latency_withheld,
    )


def _whole(
    one: Mapping[Key, dict], one_out: Mapping[str, int], other: Mapping[Key, dict], other_out: Mapping[str, int],
    key_of: Callable[[Key], str], add: Callable[[dict, dict], dict],
) -> dict[Key, dict]:  # fmt: skip
    """Those places of two tables that are in both, or that the other one has nothing in and left nothing out of."""
    places = [*one, *(place for place in other if place not in one)]
    kept = [
        place
        for place in places
        if (place in one or not one_out.get(key_of(place))) and (place in other or not other_out.get(key_of(place)))
    ]
    return {place: add(one.get(place, {}), other.get(place, {})) for place in kept}


def _key_of(place: tuple[str, str]) -> str:
    return place[0]


def _by_arm(one: ByArm, other: ByArm, arms: list[str]) -> dict[str, Aggregates]:
    """Every arm has sums, be they zeros."""
    nothing = _zeros(next(iter((*one.values(), *other.values())), Aggregates()))
    return {arm: one.get(arm, nothing) + other.get(arm, nothing) for arm in arms}


def _zeros(like: Aggregates) -> Aggregates:
    return Aggregates(0, dict.fromkeys(like.totals, 0), dict.fromkeys(like.products, 0), dict.fromkeys(like.nonzero, 0))


def _buckets_by_arm(one: Mapping[str, Buckets], other: Mapping[str, Buckets], arms: list[str]) -> dict[str, Buckets]:
    some = next(iter((*one.values(), *other.values())), {})
    nothing = {column: np.zeros(len(array), dtype=np.int64) for column, array in some.items()}
    return {
        arm: {
            column: numbers_added(one.get(arm, nothing)[column], other.get(arm, nothing)[column]) for column in some
        }
        for arm in arms
    }  # fmt: skip


def numbers_added(one: npt.NDArray, other: npt.NDArray) -> npt.NDArray:
    """Of whole numbers, exactly: as Python's integers where 64 bits do not hold the sum."""
    found = one.astype(object) + other.astype(object)
    fit = all(-(2**63) <= number < 2**63 for number in found.tolist())
    return found.astype(np.int64) if fit else found


def _latencies(one: Latency, other: Latency) -> Latency:
    users = None if one.users is None or other.users is None else one.users + other.users
    return Latency(_histograms(one.histogram, other.histogram), one.missing + other.missing, users)


def _histograms(one: Histogram, other: Histogram) -> Histogram:
    cells = np.concatenate([cells_of(one), cells_of(other)])
    return histogram(cells, len(one.counts))


def cells_of(found: Histogram) -> npt.NDArray[np.int64]:
    """(bucket, bin, count) of what is not 0."""
    bucket, column = found.counts.nonzero()
    return np.column_stack([bucket, found.bins[column], found.counts[bucket, column]]).astype(np.int64)


def _caps(one: Cap | None, other: Cap | None) -> Cap | None:
    if one is None or other is None:
        if one is not other:
            raise ValueError("sums with and without a cap of revenue do not add")
        return None
    if (one.micros, one.quantile) != (other.micros, other.quantile):
        raise ValueError(f"sums with caps of revenue of {one.micros} and {other.micros} millionths do not add")
    return Cap(one.micros, one.quantile, one.nonzero + other.nonzero, one.cut + other.cut)


def _matched(one: MatchRates, other: MatchRates, left_out: LeftOut) -> MatchRates:
    arms = _united(one.arms, other.arms, lambda a, b: a + b)
    kept = {arm: own for arm, own in arms.items() if arm not in left_out.matched}
    return MatchRates(kept, one.unknown + other.unknown)


def _origins(one: Gathered, other: Gathered) -> Origins:
    return _whole(
        one.origins, one.left_out.origins, other.origins, other.left_out.origins, _key_of,
        lambda a, b: dict(sorted((Counter(a) + Counter(b)).items())),
    )  # fmt: skip


def _most(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    """So many are left out at least."""
    return {key: max(one.get(key, 0), other.get(key, 0)) for key in sorted({*one, *other})}


def _first(one: Mapping[str, str], other: Mapping[str, str]) -> dict[str, str]:
    """Of two reasons the first in order."""
    return {key: min(filter(None, (one.get(key), other.get(key)))) for key in sorted({*one, *other})}


def _united(one: Mapping[str, Value], other: Mapping[str, Value], add: Callable[[Value, Value], Value]) -> dict:
    return {
        key: add(one[key], other[key]) if key in one and key in other else one.get(key, other.get(key))
        for key in sorted({*one, *other})
    }
