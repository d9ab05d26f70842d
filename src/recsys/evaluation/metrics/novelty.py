"""Novelty."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from recsys.evaluation.metrics.base import Cut
from recsys.evaluation.metrics.spread import Spread


class Novelty(Cut):
    """How rarely shown the items of the first k ranks are.

    Formula: the mean over impressions at ranks ≤ k of −log2 of the item's share of all impressions of the log.
    Grain: one figure per slice. Range: 0 and more. Unit: bits.
    Empty: null where nothing was shown.
    Source: Zhou et al., PNAS 2010 (self-information). It depends on the number of impressions: compare only at
    equal numbers.
    """

    word: ClassVar[str] = "novelty"
    highest: ClassVar[float] = math.inf

    def of(self, spread: Spread) -> float | None:
        """The mean in bits; None where nothing was shown. Items are in one order, so the sum has one value."""
        counts = spread.shown_in_cut[self.k]
        impressions = int(counts.sum())
        if not impressions:
            return None
        bits = -np.log2(spread.shown_overall / spread.total_overall)
        return max(float(np.sum(counts * bits)) / impressions, 0.0)
