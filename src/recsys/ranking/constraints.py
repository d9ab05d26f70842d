"""What a list must and must not hold: tags, and how often a tag may appear. Applied before the list is cut to k."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recsys.ranking.candidates import Catalogue, Mask, fold


@dataclass(frozen=True)
class Removed:
    """How many candidates each constraint took out; an item is counted by the first that does."""

    required_tags: int = 0
    forbidden_tags: int = 0
    max_per_tag: int = 0

    def total(self) -> int:
        """All of them."""
        return self.required_tags + self.forbidden_tags + self.max_per_tag


def filter_tags(
    catalogue: Catalogue, mask: Mask | None, required: Sequence[str], forbidden: Sequence[str]
) -> tuple[Mask | None, Removed]:
    """``mask`` (None: all) without the items that have none of ``required``, where any are given, or one of
    ``forbidden``."""
    if not required and not forbidden:
        return mask, Removed()
    left = np.ones(len(catalogue.item_ids), dtype=np.bool_) if mask is None else mask
    before = int(np.count_nonzero(left))
    if required:
        left = left & _with_any(catalogue, required)
    between = int(np.count_nonzero(left))
    if forbidden:
        left = left & ~_with_any(catalogue, forbidden)
    return left, Removed(before - between, between - int(np.count_nonzero(left)))


def _with_any(catalogue: Catalogue, tags: Iterable[str]) -> Mask:
    found = np.zeros(len(catalogue.item_ids), dtype=np.bool_)
    for tag in {fold(tag) for tag in tags}:
        if tag in catalogue.tagged:
            found[catalogue.tagged[tag]] = True
    return found


@dataclass(frozen=True)
class TagCaps:
    """At most so many items with a tag in one list, by the tag's folded name."""

    caps: Mapping[str, int]

    @staticmethod
    def of(max_per_tag: Mapping[str, int]) -> TagCaps:
        """The caps; of two that differ only in case the lower one holds."""
        caps: dict[str, int] = {}
        for tag, most in max_per_tag.items():
            caps[fold(tag)] = min(most, caps.get(fold(tag), most))
        return TagCaps(caps)

    def keep(self, catalogue: Catalogue, ranked: Iterable[int], k: int) -> tuple[list[int], int]:
        """The first ``k`` of ``ranked`` positions that fit under all caps, in order, and how many were passed over.

        An item counts for every capped tag it has, and fits only where none of them is full.
        """
        left = dict(self.caps)
        kept: list[int] = []
        passed = 0
        for position in ranked:
            capped = list(self._capped(catalogue, position))
            if any(left[tag] == 0 for tag in capped):
                passed += 1
                continue
            for tag in capped:
                left[tag] -= 1
            kept.append(position)
            if len(kept) == k:
                break
        return kept, passed

    def _capped(self, catalogue: Catalogue, position: int) -> Iterator[str]:
        return (tag for tag in {fold(tag) for tag in catalogue.tags[position]} if tag in self.caps)
