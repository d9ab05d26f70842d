"""The Gini coefficient of impressions."""

from __future__ import annotations

from dataclasses import dataclass
from operator import mul
from typing import ClassVar

import numpy as np

from recsys.evaluation.metrics.spread import Spread

LARGEST = 2**61


@dataclass(frozen=True)
class Gini:
    """How unequally impressions are spread over items: 0 when all are shown equally often, near 1 when few get all.

    Formula: Σ (2i − n − 1)·x_i / (n · Σ x_i), with x_1 ≤ … ≤ x_n the impressions per item. Items of the catalogue that
    were not shown count with 0; without a catalogue the items are those shown anywhere in the log.
    Grain: one figure per slice. Range: 0–1. Unit: none.
    Empty: null where nothing was shown.
    Source: Gini 1912, in the form of Fleder & Hosanagar, Management Science 2009. It depends on the number of
    impressions: compare only at equal numbers.
    """

    word: ClassVar[str] = "gini"
    lowest: ClassVar[float] = 0.0
    highest: ClassVar[float] = 1.0

    def __str__(self) -> str:
        return self.word

    def of(self, spread: Spread) -> float | None:
        """The coefficient; None where nothing was shown."""
        counts = np.sort(spread.shown[spread.listed])
        total = int(counts.sum())
        if not total:
            return None
        unseen = spread.population - len(counts)
        first = 2 * unseen + 1 - spread.population  # 2i − n − 1 of the first item that was shown
        if spread.population * total < LARGEST:
            weighted = int(np.dot(np.arange(first, first + 2 * len(counts), 2), counts))
        else:  # in Python's integers, which do not overflow
            weighted = sum(map(mul, range(first, first + 2 * len(counts), 2), counts.tolist()))
        return weighted / (spread.population * total)
