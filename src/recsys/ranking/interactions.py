"""What users touched, laid out so that any clock and any window can be asked without sorting again.

Events are sorted by time, so "up to now" and "within the window" are ranges ``[low, high)`` of event numbers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Ints: TypeAlias = npt.NDArray[np.int32]
Floats: TypeAlias = npt.NDArray[np.float64]
SPARSE = 4
"""An item whose users touched less than a SPARSE-th of the catalogue in all is counted by sorting what they touched."""
_READ_AT_ONCE = 32
"""Events of a history read at once: most histories end within the first few, some have hundreds of thousands."""


@dataclass(frozen=True, eq=False)
class Lists:
    """A list for every key, end to end: that of key ``i`` is ``values[start[i]:start[i + 1]]``.

    ``start``: int64[keys + 1]; ``values``: int32[n].
    """

    start: npt.NDArray[np.int64]
    values: Ints

    @staticmethod
    def of_sorted(keys: Ints, values: Ints, size: int) -> Lists:
        """``values`` under ``keys``, both int[n]; keys ascending, in 0…size-1."""
        start = np.zeros(size + 1, dtype=np.int64)
        np.cumsum(np.bincount(keys, minlength=size), out=start[1:])
        return Lists(start, values)

    def of(self, key: int) -> Ints:
        """The list of one key."""
        return self.values[self.start[key] : self.start[key + 1]]

    def of_all(self, keys: Ints) -> Ints:
        """The lists of several keys, one after the other."""
        first = self.start[keys]
        sizes = self.start[keys + 1] - first
        ends = np.cumsum(sizes)
        place = np.repeat(first - ends + sizes, sizes)
        place += np.arange(len(place))
        return self.values[place]


@dataclass(frozen=True, eq=False)
class Interactions:
    """Events in order of time, as positions of users and items.

    ``user``, ``item``: int32[n]; ``ts``: int64[n], µs, ascending; ``users``, ``items``: how many of each there are.
    """

    users: int
    items: int
    user: Ints
    item: Ints
    ts: npt.NDArray[np.int64]

    @cached_property
    def previous(self) -> Ints:
        """int32[n]: the event before this one of the same user on the same item, -1 where there is none.

        Within a window ``[low, high)`` the events with ``previous < low`` are thus each pair's first: the distinct
        pairs of the window, without sorting it.
        """
        pair = self.user.astype(np.int64) * self.items + self.item
        order = np.argsort(pair, kind="stable")
        again = pair[order[1:]] == pair[order[:-1]]
        previous = np.full(len(pair), -1, dtype=np.int32)
        previous[order[1:][again]] = order[:-1][again]
        return previous

    @cached_property
    def by_user(self) -> Lists:
        """Event numbers of each user, ascending."""
        order = np.argsort(self.user, kind="stable").astype(np.int32)
        return Lists.of_sorted(self.user[order], order, self.users)

    @cached_property
    def by_item(self) -> Lists:
        """Event numbers of each item, ascending."""
        order = np.argsort(self.item, kind="stable").astype(np.int32)
        return Lists.of_sorted(self.item[order], order, self.items)

    def newest(self) -> int | None:
        """The time of the newest event in µs; None where there is none."""
        return int(self.ts[-1]) if len(self.ts) else None

    def up_to(self, moment: int) -> int:
        """How many events are not after ``moment`` (µs)."""
        return int(np.searchsorted(self.ts, moment, side="right"))

    def before(self, moment: int) -> int:
        """How many events are before ``moment`` (µs)."""
        return int(np.searchsorted(self.ts, moment, side="left"))


def popularity(events: Interactions, high: int, half_life_us: float) -> Floats | None:
    """float64[items]: Σ over the first ``high`` events on an item of 2^-(age / half-life); None where ``high`` is 0.

    Age counts from the newest of these events. Counting from a later clock would multiply all items by the same
    factor, which scaling takes out again; so popularity neither fades to nothing nor depends on it.
    """
    if high == 0:
        return None
    age = (events.ts[high - 1] - events.ts[:high]).astype(np.float64)
    total = np.bincount(events.item[:high], weights=np.exp2(age / -half_life_us), minlength=events.items)
    return total.astype(np.float64, copy=False)


def recent_items(events: Interactions, user: int, low: int, high: int, count: int) -> list[int]:
    """The last ``count`` distinct items of ``user`` within the events ``[low, high)``, the most recent first."""
    mine = events.by_user.of(user)
    first, end = np.searchsorted(mine, np.array([low, high], dtype=mine.dtype)).tolist()
    recent: dict[int, None] = {}
    while end > first and len(recent) < count:
        start = max(first, end - _READ_AT_ONCE)
        recent.update(dict.fromkeys(events.item[mine[start:end][::-1]].tolist()))
        end = start
    return list(recent)[:count]


@dataclass(frozen=True, eq=False)
class Window:
    """The events ``[low, high)``, to ask which items were touched by the same users; how often does not count."""

    events: Interactions
    low: int
    high: int

    @cached_property
    def items_of(self) -> Lists:
        """The distinct items of each user."""
        numbers = self._distinct(self.events.by_user.values)
        return Lists.of_sorted(self.events.user[numbers], self.events.item[numbers], self.events.users)

    @cached_property
    def users_of(self) -> Lists:
        """The distinct users of each item."""
        numbers = self._distinct(self.events.by_item.values)
        return Lists.of_sorted(self.events.item[numbers], self.events.user[numbers], self.events.items)

    @cached_property
    def inverse_root_audience(self) -> Floats:
        """float64[items]: 1 / √ of how many users each item has; 0 where it has none."""
        users = np.diff(self.users_of.start).astype(np.float64)
        return np.divide(1.0, np.sqrt(users), out=np.zeros(len(users)), where=users > 0)

    def shared(self, item: int) -> Shared:
        """How many users each of the other items shares with ``item``."""
        touched = self.items_of.of_all(self.users_of.of(item))
        if SPARSE * len(touched) > self.events.items:
            users = np.bincount(touched, minlength=self.events.items)
            users[item] = 0
            return Shared.of_all(users)
        others, users = np.unique(touched, return_counts=True)
        keep = others != item
        return Shared(_small(users[keep]), others[keep].astype(np.int64))

    def similarity(self, shared: Iterable[tuple[Shared, float]]) -> Floats:
        """float64[items]: Σ weight · similarity to an item, over (what an item shares, its weight · its inverse root).

        Similarity is the cosine between the sets of users, |U(item) ∩ U(other)| / (√|U(item)| · √|U(other)|), in
        [0, 1] (Sarwar et al. 2001, on sets).
        """
        total = np.zeros(self.events.items)
        for found, weight in shared:
            found.add_to(total, weight)
        total *= self.inverse_root_audience
        return total

    def _distinct(self, numbers: Ints) -> Ints:
        """Of these events, those in the window that are the first of their user and item in it."""
        inside = (numbers >= self.low) & (numbers < self.high) & (self.events.previous[numbers] < self.low)
        return numbers[inside]


@dataclass(frozen=True, eq=False)
class Shared:
    """How many users items share with an item: ``users[j]`` with item ``others[j]``; ``others`` None: with all items.

    Counts take the smallest unsigned type that holds them: these are the bytes that a request reads. Indices are
    int64, for numpy would convert others at each use.
    """

    users: npt.NDArray[np.unsignedinteger]
    others: npt.NDArray[np.int64] | None = None

    @staticmethod
    def of_all(users: npt.NDArray[np.int64]) -> Shared:
        """The smaller form of ``users``, int64[items], which is the faster one too."""
        small = _small(users)
        others = np.flatnonzero(users)
        if small.nbytes <= others.nbytes + len(others) * small.itemsize:
            return Shared(small)
        return Shared(small[others], others)

    @property
    def bytes(self) -> int:
        """The room it takes."""
        return self.users.nbytes + (0 if self.others is None else self.others.nbytes)

    def add_to(self, total: Floats, weight: float) -> None:
        """Add ``weight`` times the counts to ``total``, float64[items], in place."""
        if self.others is None:
            total += self.users * np.float64(weight)
        else:
            total[self.others] += self.users * np.float64(weight)


def _small(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.unsignedinteger]:
    return counts.astype(np.min_scalar_type(counts.max(initial=0)))
