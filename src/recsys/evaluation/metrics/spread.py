"""How impressions spread over items: the counts that coverage, novelty and Gini are made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Spread:
    """Impressions by item in one slice.

    ``shown``: int[m], impressions of each item that was shown in the slice. ``shown_in_cut``: cut → int[m], those
    within the first k ranks. ``shown_overall``: int[m], impressions of the same items in all slices together.
    ``population``: how many items could have been shown: the catalogue's, else all that were shown anywhere.
    ``listed``: bool[m], whether the item stands in the catalogue (all true without one).
    """

    shown: Counts
    shown_in_cut: dict[int, Counts]
    shown_overall: Counts
    total_overall: int
    population: int
    listed: npt.NDArray[np.bool_]
