"""Intra-list diversity."""

from __future__ import annotations

from typing import ClassVar

from recsys.evaluation.metrics.base import Cut


class IntraListDiversity(Cut):
    """How different the items of one list are, by their tags.

    Formula: the mean Jaccard distance 1 − |A∩B| / |A∪B| of the tag sets of all pairs of items at ranks ≤ k.
    Grain: one score per exposure with at least two items whose tags are known; the others do not count. Range: 0–1.
    Unit: none. Empty: null where no list has two such items; unavailable without a catalogue with tags.
    Source: Ziegler et al., WWW 2005, as a distance (1 − similarity).
    """

    word: ClassVar[str] = "intra_list_diversity"
