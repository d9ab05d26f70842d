"""How likely each rank is to be looked at, where chance put the same item at different ranks for the same query.

A click needs that the rank is examined and that the item is relevant: P(click) = e_k · r(query, item). Within a
*stratum*, one item for one query, the clicks per impression at two ranks then stand as e_k to e_(k−1), whatever the
relevance (intervention harvesting, adjacent chain: Agarwal, Zaitsev, Wang, Li, Najork & Joachims, "Estimating Position
Bias without Intrusive Interventions", WSDM 2019). Over the strata s that were shown at both ranks

    e_k / e_(k−1) = Σ_s h_s · C_sk / W_sk  ÷  Σ_s h_s · C_s(k−1) / W_s(k−1),    1 / h_s = 1 / n_sk + 1 / n_s(k−1)

with n impressions, W the sum of 1/propensity over them, and C that of their clicks: each impression counts for all that
could have been at its rank, so it may depend on the request who gets which rank. C/W and not C alone, for an item that
is seldom at a rank is here because it was seen there, and C is then too large. h_s are the weights of Mantel and
Haenszel (JNCI 1959): they favour no rank, and serve few large strata as well as many small ones.

Ratios are multiplied up to rank 1, whose examination is 1. Intervals come of leaving out one group of users at a time,
on the logarithm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recsys.statistics.jackknife import jackknife
from recsys.statistics.ratio import LEVEL, Ratio

LEAST_IMPRESSIONS = 100
"""With fewer at either of two ranks, in strata that were shown at both, the curve ends."""
NO_CLICKS_LEFT = "without one group of users a rank has no click: no interval can be given"

Numbers = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PairSums:
    """Sums over strata of each rank and the one above it; they add. ``upper``, ``lower``: float[ranks − 1, 1 + groups],
    the sums at the rank and at that above it, of all users and then without each group. ``at_rank``, ``above``:
    int[ranks − 1], impressions at both in shared strata. ``strata``: int[ranks − 1], how many are shared.
    ``occupied``: bool[groups], which have impressions."""

    upper: Numbers
    lower: Numbers
    at_rank: Counts
    above: Counts
    strata: Counts
    occupied: npt.NDArray[np.bool_]

    def __add__(self, other: PairSums) -> PairSums:
        return PairSums(
            self.upper + other.upper, self.lower + other.lower, self.at_rank + other.at_rank,
            self.above + other.above, self.strata + other.strata, self.occupied | other.occupied,
        )  # fmt: skip


def pair_sums(impressions: npt.NDArray[Any], weights: npt.NDArray[Any], clicks: npt.NDArray[Any]) -> PairSums:
    """Of arrays [strata, ranks, groups of users]: impressions, the sums of 1/propensity over them, and those of
    clicks/propensity, both in one unit, whatever it is. Whole numbers in all three keep the differences exact."""
    n, w, c = (_with_left_out(values) for values in (impressions, weights, clicks))
    rates = np.divide(c, w, out=np.zeros_like(c), where=(n > 0) & (w > 0))
    above, below = n[:, :-1], n[:, 1:]
    shares = np.divide(above * below, above + below, out=np.zeros_like(above), where=(above > 0) & (below > 0))
    shared = shares[:, :, 0] > 0
    return PairSums(
        upper=(shares * rates[:, 1:]).sum(axis=0),
        lower=(shares * rates[:, :-1]).sum(axis=0),
        at_rank=np.where(shared, below[:, :, 0], 0).sum(axis=0).astype(np.int64),
        above=np.where(shared, above[:, :, 0], 0).sum(axis=0).astype(np.int64),
        strata=shared.sum(axis=0).astype(np.int64),
        occupied=np.asarray(impressions).sum(axis=(0, 1)) > 0,
    )


def _with_left_out(values: npt.NDArray[Any]) -> Numbers:
    """[strata, ranks, 1 + groups]: all, then without each group."""
    found = np.asarray(values, dtype=float)
    whole = found.sum(axis=2, keepdims=True)
    return np.concatenate((whole, whole - found), axis=2)


@dataclass(frozen=True)
class Point:
    """A rank's examination in relation to rank 1; impressions at the rank, and strata, that it rests on."""

    rank: int
    examination: Ratio
    impressions: int
    strata: int


@dataclass(frozen=True)
class Curve:
    """The points from rank 1 on, none where not even rank 2 can be compared with it. ``ended``: why there are no more,
    empty where all ranks are there. ``left_out``: float[points, 1 + groups], the examination of all users and without
    each group; not positive where it is not known."""

    points: list[Point]
    ended: str
    left_out: Numbers
    occupied: npt.NDArray[np.bool_]


def examination(sums: PairSums, *, level: float = LEVEL, least: int = LEAST_IMPRESSIONS) -> Curve:
    """The curve, as far as two ranks have ``least`` impressions each in shared strata, and clicks at both."""
    ended, length = "", len(sums.strata)
    for place in range(length):
        ended = _fault(sums, place, least)
        if ended:
            length = place
            break
    ratios = np.divide(sums.upper, sums.lower, out=np.zeros_like(sums.upper), where=sums.lower > 0)[:length]
    curve: Numbers = np.vstack((np.ones((1, ratios.shape[1])), ratios)).cumprod(axis=0, dtype=np.float64)
    if not length:
        return Curve([], ended or "no list has two ranks", curve[:0], sums.occupied)
    first = Point(1, Ratio(1.0, note="by definition"), int(sums.above[0]), int(sums.strata[0]))
    rest = [
        Point(place + 2, _interval(curve[place + 1], sums.occupied, level), int(sums.at_rank[place]),
              int(sums.strata[place]))
        for place in range(length)
    ]  # fmt: skip
    return Curve([first, *rest], ended, curve, sums.occupied)


def _fault(sums: PairSums, place: int, least: int) -> str:
    """Why the rank cannot be compared with the one above it; empty where it can."""
    rank = place + 2
    if not sums.strata[place]:
        return f"no item was shown at both rank {rank - 1} and rank {rank} for the same query by chance"
    for here, other, n in ((rank, rank - 1, sums.at_rank[place]), (rank - 1, rank, sums.above[place])):
        if n < least:
            return f"rank {here} has {n:,} impressions of items that were also shown at rank {other}, under {least:,}"
    for here, other, total in ((rank, rank - 1, sums.upper), (rank - 1, rank, sums.lower)):
        if total[place, 0] <= 0:
            return f"nothing was clicked at rank {here} that was also shown at rank {other}"
    return ""


def _interval(values: Numbers, occupied: npt.NDArray[np.bool_], level: float) -> Ratio:
    value, rest = float(values[0]), values[1:][occupied]
    if not np.all(rest > 0):
        return Ratio(value, note=NO_CLICKS_LEFT)
    found = jackknife(math.log(value), np.log(rest).tolist(), groups=len(rest), level=level)
    if found.low is None or found.high is None or found.se is None:
        return Ratio(value, note=found.note)
    return Ratio(value, value * found.se, math.exp(found.low), math.exp(found.high))


def click_rates(
    curve: Curve, impressions: npt.NDArray[Any], clicks: npt.NDArray[Any], *, level: float = LEVEL
) -> tuple[Ratio, Ratio]:
    """Clicks per impression at the ranks of the curve, and Σ (clicks / e_k) / Σ n_k, what it would be if all ranks were
    looked at as rank 1 is, whether or not what is wanted most stands on top. Of whole-number arrays [ranks, groups], at
    least as many ranks as the curve has; None where there are no impressions, or no curve."""
    ranks = len(curve.points)
    n, c = (_with_left_out(np.asarray(values)[None, :ranks])[0] for values in (impressions, clicks))
    groups = np.asarray(impressions)[:ranks].sum(axis=0) > 0
    if not ranks or not groups.any():
        return Ratio(None, note="there is nothing to take a mean of"), Ratio(None, note="no curve to correct with")
    plain = _jackknifed(c.sum(axis=0), n.sum(axis=0), groups, level)
    if not np.all(curve.left_out[:, 1:][:, curve.occupied] > 0):
        return plain, Ratio(float((c[:, 0] / curve.left_out[:, 0]).sum() / n[:, 0].sum()), note=NO_CLICKS_LEFT)
    seen = np.divide(c, curve.left_out, out=np.zeros_like(c), where=curve.left_out > 0)
    return plain, _jackknifed(seen.sum(axis=0), n.sum(axis=0), groups, level)


def _jackknifed(y: Numbers, n: Numbers, groups: npt.NDArray[np.bool_], level: float) -> Ratio:
    rest = [float(y / n) for y, n in zip(y[1:][groups], n[1:][groups], strict=True) if n > 0]
    return jackknife(float(y[0] / n[0]), rest, groups=int(groups.sum()), level=level, lowest=0.0)
