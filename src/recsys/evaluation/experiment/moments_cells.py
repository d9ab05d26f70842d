"""Which sums are over enough users to leave the house, and what is left out for that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from recsys.evaluation.experiment.reduce import UNITS, Sums
from recsys.evaluation.experiment.units import FINE

LEAST_USERS = 10
"""No sum over fewer users is in moments."""
FEWEST_BUCKETS = 16
Place = TypeVar("Place")


def enough(users: Iterable[int]) -> bool:
    """Whether each of these numbers of users is 0, or large enough."""
    return all(count == 0 or count >= LEAST_USERS for count in users)


def kept(counts: Mapping[Place, Iterable[int]]) -> dict[Place, bool]:
    """Place → whether the users of all of its arms are enough."""
    return {place: enough(users) for place, users in counts.items()}


def latency_withheld(sums: Sums) -> str:
    """Why the latencies by bucket cannot leave; '' where they can."""
    counted = [each.users for each in sums.latency.values()]
    if any(users is None for users in counted):
        return "latencies are withheld: it was not counted how many users they are of"
    return _withheld("latencies", [users for users in counted if users is not None])


def buckets_withheld(sums: Sums, key: str, values: Iterable[str]) -> str:
    """The same for the sums by bucket of these values of a slice key."""
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
