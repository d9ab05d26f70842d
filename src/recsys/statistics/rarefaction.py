"""Coverage, Gini and novelty of two arms at equal impressions, with an interval by groups of users.

All three depend on how much was shown, so arms of different size cannot be compared as they are: the larger arm is
*rarefied* to the impressions that the smaller one has. Not by single impressions (Hurlbert, "The nonconcept of species
diversity", Ecology 1971), for a user is shown the same items again and again: as many impressions drawn one by one out
of a larger arm come of more users, so they cover more although nothing differs. Whole groups of users are drawn, in
random order, until there are enough impressions (sample-based rarefaction: Gotelli & Colwell, "Quantifying
biodiversity", Ecology Letters 2001), and the last group is cut by a multivariate hypergeometric draw. The figure is the
mean over the draws, which are seeded.

The standard error is that of the delete-a-group jackknife: each of the G groups of an arm is left out in turn, and all
is done again, with what is then the smaller number of impressions. The variance

    (G−1)/G · Σ_g (D_(−g) − D̄)²

is taken of either arm and added, with the variance of the draws; degrees of freedom are G−1. Groups are by a hash of
the user, so they are alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

DRAWS = 32
FEW_GROUPS = 10
"""Of fewer drawn groups, the cut of the last one is more than a detail."""


@dataclass(frozen=True)
class Shown:
    """[groups × items] impressions: ``cut`` within the first k ranks, ``beyond`` at the others (None: nowhere)."""

    cut: np.ndarray
    beyond: np.ndarray | None = None

    @property
    def impressions(self) -> int:
        """Within the cut."""
        return int(self.cut.sum())

    def occupied(self) -> Shown:
        """Without the groups that were shown nothing within the cut."""
        kept = self.cut.any(axis=1)
        return Shown(self.cut[kept], None if self.beyond is None else self.beyond[kept])


Statistic = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Of [rows × items] impressions within the cut, and at all ranks: a figure for each row, NaN of nothing shown."""


@dataclass(frozen=True)
class Spread:
    """Candidate − control, and the figure of either. ``value`` is None where an arm was shown nothing; ``se`` is None
    where ``note`` says why. ``impressions``: how many each arm was rarefied to."""

    value: float | None
    se: float | None = None
    degrees: int = 0
    control: float | None = None
    candidate: float | None = None
    impressions: int = 0
    note: str = ""


def coverage(population: int) -> Statistic:
    """The share of a catalogue of so many items that was shown within the cut."""
    return lambda cut, _: np.where(cut.any(axis=1), np.count_nonzero(cut, axis=1) / population, np.nan)


def gini(population: int) -> Statistic:
    """The Gini coefficient of the impressions of so many items; those that are not in the columns have none."""

    def of(cut: np.ndarray, _: np.ndarray) -> np.ndarray:
        counts, total = np.sort(cut, axis=1).astype(float), cut.sum(axis=1)
        last = population - 1 - 2 * np.arange(cut.shape[1])[::-1]  # 2i − n − 1 of the items, ascending
        return np.divide(counts @ last, population * total, out=np.full(len(cut), np.nan), where=total > 0)

    return of


def novelty(cut: np.ndarray, overall: np.ndarray) -> np.ndarray:
    """The mean over impressions within the cut of −log2 of the item's share of all impressions."""
    total, whole = cut.sum(axis=1), overall.sum(axis=1)
    logs = np.log2(np.maximum(overall, 1))
    bits = np.log2(np.maximum(whole, 1)) - np.divide(
        np.einsum("ri,ri->r", cut, logs), total, out=np.full(len(cut), np.nan), where=total > 0
    )
    return np.maximum(bits, 0.0)


def spread_difference(control: Shown, candidate: Shown, statistic: Statistic, *, seed: int) -> Spread:
    """Candidate − control at the impressions of the arm that has fewer."""
    before = _Arm(control.occupied(), statistic, seed)
    after = _Arm(candidate.occupied(), statistic, seed + 1)
    depth = min(before.total, after.total)
    if not depth:
        return Spread(None, note="an arm was shown nothing")
    (one, one_noise), (other, other_noise) = before.value(depth), after.value(depth)
    groups = min(before.groups, after.groups)
    if groups < 2:
        note = "an arm has one group of users: no interval can be given"
        return Spread(other - one, None, 0, one, other, depth, note)
    variance = one_noise + other_noise + _without(before, after) + _without(after, before)
    note = _note(variance, depth, before, after)
    return Spread(other - one, math.sqrt(variance) or None, groups - 1, one, other, depth, note)


def _note(variance: float, depth: int, *arms: _Arm) -> str:
    if not variance:
        return "groups do not differ: no interval can be given"
    fewest = min(depth * arm.groups / arm.total for arm in arms)
    return f"an arm is rarefied to {fewest:.1f} groups of users: it is rough" if fewest < FEW_GROUPS else ""


def _without(arm: _Arm, other: _Arm) -> float:
    """The jackknife's variance of the difference over the groups of ``arm``."""
    depths = [min(arm.total - int(size), other.total) for size in arm.sizes]
    fixed = {depth: other.value(depth)[0] for depth in _grid(depths)}
    theirs = np.interp(depths, list(fixed), list(fixed.values()))
    own = [arm.value(depth, gone)[0] for gone, depth in enumerate(depths)]
    return _variance(np.array(own) - theirs)


def _grid(depths: list[int]) -> list[int]:
    """A few depths, ascending, between which a figure is as good as straight."""
    return sorted({int(depth) for depth in np.linspace(min(depths), max(depths), 5)})


def _variance(values: np.ndarray) -> float:
    if np.ptp(values) <= 1e-13 * np.abs(values).max(initial=0.0):
        return 0.0
    return float((len(values) - 1) * np.var(values))


class _Arm:
    """An arm's groups in ``DRAWS`` random orders."""

    def __init__(self, shown: Shown, statistic: Statistic, seed: int) -> None:
        self.cut = shown.cut.astype(float)
        self.beyond = None if shown.beyond is None else shown.beyond.astype(float)
        self.sizes = shown.cut.sum(axis=1)
        self.groups, self.total = len(self.sizes), int(self.sizes.sum())
        self._statistic, self._seed = statistic, seed
        rng = np.random.default_rng([seed, 0])
        self._orders = np.array([rng.permutation(self.groups) for _ in range(DRAWS)]).reshape(DRAWS, -1)

    def value(self, depth: int, gone: int | None = None) -> tuple[float, float]:
        """At ``depth`` impressions, without group ``gone``: the mean over the draws, and its variance by chance."""
        kept = np.ones(self.groups, dtype=bool)
        if gone is not None:
            kept[gone] = False
        if depth == self.sizes[kept].sum():
            return float(self._of(kept[None].astype(float), None)[0]), 0.0
        orders = self._orders[kept[self._orders]].reshape(DRAWS, -1)
        until = np.cumsum(self.sizes[orders], axis=1)
        last = (until < depth).sum(axis=1)
        here = np.arange(DRAWS)
        whole = np.zeros((DRAWS, self.groups))
        np.put_along_axis(whole, orders, (np.arange(orders.shape[1]) < last[:, None]).astype(float), axis=1)
        cut_group = orders[here, last]
        taken = depth - (until[here, last] - self.sizes[cut_group])
        values = self._of(whole, list(zip(cut_group.tolist(), taken.tolist(), strict=True)))
        return float(values.mean()), float(values.var(ddof=1) / DRAWS)

    def _of(self, whole: np.ndarray, parts: list[tuple[int, int]] | None) -> np.ndarray:
        """The statistic of sums of whole groups, and in each row a part of one more."""
        cut = whole @ self.cut
        overall = cut if self.beyond is None else cut + whole @ self.beyond
        if parts:
            overall = overall.copy()
            for row, (group, taken) in enumerate(parts):
                rng = np.random.default_rng([self._seed, 1, row, group])
                drawn = _drawn(rng, self.cut[group], taken)
                cut[row] += drawn
                overall[row] += drawn
                if self.beyond is not None:
                    share = taken / self.sizes[group]
                    overall[row] += _drawn(rng, self.beyond[group], round(share * self.beyond[group].sum()))
        return self._statistic(cut, overall)


def _drawn(rng: np.random.Generator, counts: np.ndarray, taken: int) -> np.ndarray:
    """So many of the impressions, without replacement."""
    return rng.multivariate_hypergeometric(counts.astype(np.int64), taken, method="marginals")
