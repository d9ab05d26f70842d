"""The time after which events are sent again: a narrow peak among the gaps of repeated ones, as people make none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

GRAIN_US = 250_000
"""Gaps are counted in grains of a quarter of a second."""
NARROW = 0.01
LEAST = 2
"""A peak reaches a hundredth of its gap to either side, or 2 grains."""
HIGH = 0.5
"""It holds this share of all gaps between half and double of it,"""
STEEP = 3
"""and so many times what is as near to it on either side. The gaps of people who do a thing again are spread over
seconds at the least: of gaps that are exponential with a mean of 1 s a window of 1 s holds 2.7 times as many as the
next one."""


class Peak(Struct, frozen=True, kw_only=True):
    """``n`` gaps are in the grains from ``first`` to ``last``."""

    first: int
    last: int
    n: int


def peak(grains: Mapping[int, int]) -> Peak | None:
    """The highest of ``grains`` (grain → gaps), where it is that high."""
    import numpy as np

    if not grains:
        return None
    places = np.array(sorted(grains), dtype=np.int64)
    before = np.concatenate([[0], np.cumsum([grains[place] for place in places.tolist()])])
    reach = np.maximum((places * NARROW).astype(np.int64), LEAST)

    def within(low: Any, high: Any) -> Any:
        return before[np.searchsorted(places, high, "right")] - before[np.searchsorted(places, low, "left")]

    inside = within(places - reach, places + reach)
    best = int(np.argmax(inside))
    n, middle, wide = int(inside[best]), int(places[best]), int(reach[best])
    flanks = within(middle - 3 * wide - 1, middle - wide - 1), within(middle + wide + 1, middle + 3 * wide + 1)
    if n < HIGH * within(middle // 2, middle * 2) or n <= STEEP * max(flanks):
        return None
    return Peak(first=middle - wide, last=middle + wide, n=n)
