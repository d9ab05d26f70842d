"""Which sums are over enough users to leave the house, and what is left out for that."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from recsys.evaluation.experiment.reduce import UNITS, Sums
from recsys.evaluation.experiment.units import FINE
from recsys.text import printable

LEAST_USERS = 10
"""No sum over fewer users is in moments."""
FEWEST_BUCKETS = 16
Place = TypeVar("Place")


def enough(users: Iterable[int]) -> bool:
    """Whether each of these numbers of users is 0, or large enough."""
    return all(count == 0 or count >= LEAST_USERS for count in users)


def to_keep(
    counts: Mapping[Place, Mapping[str, int]], unnamed: int, among: Mapping[str, int] | None = None
) -> list[Place]:
    """The places that may leave, of those that are parts of one whole: all that have enough users of each arm, but for
    the smallest where the whole without them would be of few users. ``counts``: place → arm → users, who may be in
    several places; ``unnamed``: other places, of which nothing is known. ``among``: arm → users of all places together;
    None where each is in one. The squares of the whole without those of all places are of those who are in several."""
    found = [place for place, users in counts.items() if enough(users.values())]
    found.sort(key=lambda place: -sum(counts[place].values()))
    rest = [place for place in counts if place not in found]
    arms = dict.fromkeys(arm for users in counts.values() for arm in users)
    hidden = {
        arm: bool(unnamed)
        or _few_in_several([users.get(arm, 0) for users in counts.values()], None if among is None else among[arm])
        for arm in arms
    }
    while found and not all(_many([counts[place].get(arm, 0) for place in rest], hidden[arm]) for arm in arms):
        rest.append(found.pop())
    return [place for place in counts if place in found]


def _few_in_several(users: Sequence[int], among: int | None) -> bool:
    """Whether it may be that some of ``among`` users are in several of the places, and fewer than enough: by how much
    the places have more together, for each of these counts at most once for each other place."""
    more = 0 if among is None else sum(users) - among
    return 0 < more <= (LEAST_USERS - 1) * (len(users) - 1)


def _many(users: Sequence[int], hidden: int) -> bool:
    """Whether places with so many users each have none together, or enough. ``hidden``: whether there may be more."""
    most = max(users, default=0)
    return most >= LEAST_USERS or not (most or hidden)


def latency_withheld(sums: Sums) -> str:
    """Why the latencies by bucket cannot leave; '' where they can."""
    counted = [each.users for each in sums.latency.values()]
    if any(users is None for users in counted):
        return "latencies are withheld: it was not counted how many users they are of"
    return _withheld("latencies", [users for users in counted if users is not None])


def buckets_withheld(sums: Sums, key: str, values: Collection[str]) -> str:
    """The same for the sums by bucket of these values of a slice key. Another key's may add up to the whole, so what
    the whole has besides must be of enough users too."""
    rest = [arms for (own, value), arms in sums.slice_buckets.items() if own == key and value not in values]
    unnamed = sums.left_out.get(key, 0)
    for arm in sums.arms:
        tables = [arms[arm][UNITS].tolist() for arms in rest if arm in arms]
        if unnamed or not all(_many(users, 0) for users in zip(*tables, strict=True)):
            return (
                f"sums of {printable(key)} by bucket of users are withheld: a bucket of the values that are left out "
                f"has fewer than {LEAST_USERS} users of an arm"
            )
    tables = [arm[UNITS] for value in values for arm in sums.slice_buckets.get((key, value), {}).values()]
    return _withheld(f"sums of {key} by bucket of users", tables)


def _withheld(what: str, tables: list[npt.NDArray]) -> str:
    if all(enough(users.tolist()) for users in tables):
        return ""
    few = f"{what} are withheld: a bucket has fewer than {LEAST_USERS} users of an arm"
    best = _usable(tables)
    return (
        f"{few}; experiment.bootstrap.buckets: {best} would do"
        if best
        else f"{few}, and would have at any number of buckets"
    )


def _usable(tables: list[npt.NDArray]) -> int | None:
    """The largest power of two of buckets with which each that is occupied has enough; None where none has."""
    count = len(tables[0]) // 2
    while count >= FEWEST_BUCKETS:
        if all(enough(users.reshape(-1, count).sum(axis=0).tolist()) for users in tables):
            return count
        count //= 2
    return None


def bitmap(occupied: Iterable[int]) -> str:
    """The finest buckets that have a user, as hexadecimal bits from the lowest."""
    bits = np.zeros(FINE, dtype=np.uint8)
    bits[list(occupied)] = 1
    return np.packbits(bits, bitorder="little").tobytes().hex()


def buckets_of(text: str) -> frozenset[int]:
    """The same back; ValueError for what is no such text."""
    raw = bytes.fromhex(text)
    if len(raw) * 8 != FINE:
        raise ValueError(f"occupied must have {FINE // 4} hexadecimal digits; found {len(text)}")
    bits = np.unpackbits(np.frombuffer(raw, dtype=np.uint8), bitorder="little")
    return frozenset(np.flatnonzero(bits).tolist())
