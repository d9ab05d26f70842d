"""Which line of one text is which of another, and which of them were moved.

First common ends are paired, then lines that are unique on both sides, then neighbours of paired lines, then what is
left (P. Heckel, *A technique for isolating differences between files*, 1978). The cost grows with the lines, not with
their product.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Sequence


def paired(wrote: Sequence[int], there: Sequence[int]) -> list[int]:
    """For each line that is there the number of the written one that it is, -1 for none; no written one twice."""
    pairs = [-1] * len(there)
    shorter = min(len(wrote), len(there))
    head = next((n for n in range(shorter) if wrote[n] != there[n]), shorter)
    tail = next((n for n in range(shorter - head) if wrote[-1 - n] != there[-1 - n]), shorter - head)
    pairs[:head] = range(head)
    pairs[len(there) - tail :] = range(len(wrote) - tail, len(wrote))
    free = [False] * head + [True] * (len(wrote) - head - tail) + [False] * tail
    middle = range(head, len(there) - tail)
    _pair_unique(wrote, there, pairs, free, middle)
    _pair_neighbours(wrote, there, pairs, free, middle, 1)
    _pair_neighbours(wrote, there, pairs, free, middle[::-1], -1)
    _pair_rest(wrote, there, pairs, free, middle)
    return pairs


def _pair_unique(
    wrote: Sequence[int], there: Sequence[int], pairs: list[int], free: list[bool], middle: Sequence[int]
) -> None:
    often = Counter(there[place] for place in middle)
    where = {wrote[number]: number for number in range(len(wrote)) if free[number]}
    count = Counter(wrote[number] for number in range(len(wrote)) if free[number])
    for place in middle:
        key = there[place]
        if often[key] == 1 and count[key] == 1:
            pairs[place] = where[key]
            free[where[key]] = False


def _pair_neighbours(
    wrote: Sequence[int], there: Sequence[int], pairs: list[int], free: list[bool], middle: Sequence[int], step: int
) -> None:
    """Pair a line with the written neighbour of what the line beside it is paired with; ends are paired with ends."""
    for place in middle:
        beside = place - step
        outside = -1 if step > 0 else len(wrote)
        number = (pairs[beside] if 0 <= beside < len(there) else outside) + step
        if beside in range(len(there)) and pairs[beside] < 0:
            continue
        if pairs[place] < 0 and 0 <= number < len(wrote) and free[number] and wrote[number] == there[place]:
            pairs[place] = number
            free[number] = False


def _pair_rest(
    wrote: Sequence[int], there: Sequence[int], pairs: list[int], free: list[bool], middle: Sequence[int]
) -> None:
    left: dict[int, deque[int]] = defaultdict(deque)
    for number in range(len(wrote)):
        if free[number]:
            left[wrote[number]].append(number)
    for place in middle:
        if pairs[place] < 0 and left.get(there[place]):
            pairs[place] = left[there[place]].popleft()


def in_place(order: Sequence[int]) -> list[bool]:
    """Which of some different numbers stand in order, when as few as possible are said to be out of it.

    Two that were exchanged are both out of place, though moving one over the other would do where they are neighbours.
    """
    ranks = {number: rank for rank, number in enumerate(sorted(order))}
    ranked = [ranks[number] for number in order]
    kept = [True] * len(ranked)
    start = highest = 0
    for place, rank in enumerate(ranked):
        highest = max(highest, rank)
        if highest == place:  # what stands up to here is what belongs here
            if place > start:
                for moved in _moved(ranked, start, place + 1):
                    kept[moved] = False
            start = place + 1
    return kept


def _moved(ranked: Sequence[int], start: int, stop: int) -> list[int]:
    displaced = [place for place in range(start, stop) if ranked[place] != place]
    chain = _longest_rising(ranked[start:stop])
    moved = [place for place in range(start, stop) if place - start not in chain]
    return displaced if len(displaced) <= len(moved) + 1 else moved


def _longest_rising(numbers: Sequence[int]) -> set[int]:
    """The places of a longest rising subsequence."""
    tops: list[int] = []
    at: list[int] = []
    before: list[int] = []
    for place, number in enumerate(numbers):
        length = bisect_left(tops, number)
        before.append(at[length - 1] if length else -1)
        tops[length : length + 1] = [number]
        at[length : length + 1] = [place]
    chain: set[int] = set()
    place = at[-1] if at else -1
    while place >= 0:
        chain.add(place)
        place = before[place]
    return chain
