"""Which items may be ranked at all: the catalogue, allow-lists and exclusions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Items by position. Positions follow item_id, so a lower position wins a tie.

    ``item_ids``: ascending by code point, distinct; ``tags[i]``: those of item ``i``, as given.
    ValueError where the ids are not ascending.
    """

    item_ids: Sequence[str]
    tags: Sequence[Sequence[str]]

    def __post_init__(self) -> None:
        if len(self.tags) != len(self.item_ids) or any(left >= right for left, right in pairwise(self.item_ids)):
            raise ValueError("item ids must be distinct and ascending, each with its tags")

    @cached_property
    def position(self) -> dict[str, int]:
        """Where an item stands."""
        return {item_id: number for number, item_id in enumerate(self.item_ids)}

    @cached_property
    def tagged(self) -> dict[str, Positions]:
        """Ascending positions of the items with a tag, by the tag's folded name."""
        found: dict[str, list[int]] = {}
        for number, tags in enumerate(self.tags):
            for tag in {fold(tag) for tag in tags}:
                found.setdefault(tag, []).append(number)
        return {tag: np.array(numbers, dtype=np.int64) for tag, numbers in found.items()}

    def positions(self, item_ids: Iterable[str]) -> list[int]:
        """Positions of the known ones of ``item_ids``, each once, in their order."""
        position = self.position
        return list(dict.fromkeys(position[item_id] for item_id in item_ids if item_id in position))


def fold(tag: str) -> str:
    """The form in which tags are compared: without case."""
    return tag.casefold()


@dataclass(frozen=True, eq=False)
class Candidates:
    """``mask``: bool[items], who may be ranked, None for all; ``count``: how many before anything was taken out."""

    mask: Mask | None
    count: int


def choose(
    catalogue: Catalogue, include: Sequence[str] | None, exclude: Sequence[str], anchors: Sequence[str]
) -> Candidates:
    """All items, or the known ones of an allow-list, without the excluded ones and without the anchors."""
    size = len(catalogue.item_ids)
    if include is None:
        mask, count = None, size
    else:
        mask = np.zeros(size, dtype=np.bool_)
        allowed = catalogue.positions(include)
        mask[allowed] = True
        count = len(allowed)
    for left_out in (exclude, anchors):
        if left_out:
            mask = np.ones(size, dtype=np.bool_) if mask is None else mask
            mask[catalogue.positions(left_out)] = False
    return Candidates(mask, count)
