"""Users by bucket: a hash of the user's id under a salt of our own, in which no variant has a part.

The finest division has 4,096 buckets, ``int(md5("recsys:" + user_id).hexdigest()[:3], 16)``; others are its remainders
by a power of two, so a coarser one is made of whole buckets of a finer one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MOST = 128
"""Buckets of the sums that a report holds."""
GROUPS = 32
"""Groups of users of which each is left out in turn."""
SOME_GROUPS = 8
"""How many of them are left out where the log is long: to count items by all groups would cost more than the rest."""
FEWEST = 8
"""Of fewer buckets a report holds no sums: they give no interval worth having."""
LEAST_USERS = 10
"""A report holds no sum over fewer users."""


def bucket(count: int, user: str = "user_id") -> str:
    """SQL of the bucket of a user, one of ``count``, which is a power of two from 16 to 256."""
    digest = f"md5('recsys:' || {user})"
    return f"({_digit(digest, 3)} + 16 * ({_digit(digest, 2)} % {count // 16}))"


def _digit(digest: str, place: int) -> str:
    return f"(strpos('0123456789abcdef', substr({digest}, {place}, 1)) - 1)"


@dataclass(frozen=True)
class ByBucket:
    """Sums by bucket: ``users`` of them, and the integer sums of any number of columns."""

    users: list[int]
    columns: list[list[int]]


def by_bucket(rows: Iterable[tuple[int, int, Sequence[int]]], width: int) -> ByBucket:
    """Rows (bucket, users, sums of ``width`` columns), in any order, as lists over all ``MOST`` buckets."""
    users, columns = [0] * MOST, [[0] * MOST for _ in range(width)]
    for place, count, sums in rows:
        users[place] += count
        for column, value in zip(columns, sums, strict=True):
            column[place] += value
    return ByBucket(users, columns)


def folded(values: Sequence[int], count: int) -> list[int]:
    """The sums in ``count`` buckets, of which those of ``values`` are parts."""
    return [sum(values[place::count]) for place in range(count)]


def buckets_to_tell(users: Sequence[int]) -> int:
    """The largest power of two at which every bucket that has users has at least ``LEAST_USERS``; 0 where that is
    under ``FEWEST``, or fewer than that many buckets have users."""
    count = len(users)
    while count >= FEWEST:
        occupied = [value for value in folded(users, count) if value]
        if len(occupied) >= FEWEST and min(occupied) >= LEAST_USERS:
            return count
        count //= 2
    return 0
