"""How impressions spread over items: the counts that coverage, novelty and Gini are made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Shown:
    """Impressions of items, each once, in ascending order of its number: ``n``, and by cut those within k ranks."""

    item: Counts
    n: Counts
    in_cut: dict[int, Counts]


@dataclass(frozen=True)
class Spread:
    """Impressions by item in one slice.

    ``items``: int[m], the number of each item that was shown in the slice, ascending. ``shown``: int[m], its
    impressions there. ``shown_in_cut``: cut → int[m], those within the first k ranks. ``shown_overall``: int[m],
    impressions of the same items in all slices together. ``population``: how many items could have been shown: the
    catalogue's, else all that were shown anywhere. ``listed``: bool[m], whether the item stands in the catalogue (all
    true without one).
    """

    items: Counts
    shown: Counts
    shown_in_cut: dict[int, Counts]
    shown_overall: Counts
    total_overall: int
    population: int
    listed: npt.NDArray[np.bool_]


def without(spread: Spread, gone: Shown, overall: Counts, population: int) -> Spread:
    """The spread without a group of users. ``gone``: what they were shown in the slice; ``overall``: what they were
    shown anywhere, by number of the item; ``population``: of what is left."""
    places = np.searchsorted(spread.items, gone.item)

    def less(counts: Counts, gone: Counts) -> Counts:
        left = counts.copy()
        left[places] -= gone
        return left

    shown = less(spread.shown, gone.n)
    kept = shown > 0
    return Spread(
        items=spread.items[kept],
        shown=shown[kept],
        shown_in_cut={k: less(counts, gone.in_cut[k])[kept] for k, counts in spread.shown_in_cut.items()},
        shown_overall=(spread.shown_overall - overall[spread.items])[kept],
        total_overall=spread.total_overall - int(overall.sum()),
        population=population,
        listed=spread.listed[kept],
    )
