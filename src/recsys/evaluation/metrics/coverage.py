"""Coverage."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from recsys.evaluation.metrics.base import Cut
from recsys.evaluation.metrics.spread import Spread


class Coverage(Cut):
    """Share of the catalogue that was shown to anybody within the first k ranks.

    Formula: (distinct items at ranks ≤ k) / (items of the catalogue); without a catalogue, over the distinct items
    shown at any rank in the whole log. Items that are not in the catalogue do not count.
    Grain: one figure per slice. Range: 0–1. Unit: share.
    Empty: null where there is no item at all.
    Source: Ge, Delgado-Battenfeld & Jannach, RecSys 2010 ("catalog coverage"). It grows with the number of exposures:
    compare only at equal numbers of impressions.
    """

    word: ClassVar[str] = "coverage"

    def of(self, spread: Spread) -> float | None:
        """The share, in [0, 1]; None without items."""
        if not spread.population:
            return None
        return int(np.count_nonzero((spread.shown_in_cut[self.k] > 0) & spread.listed)) / spread.population
