"""Of which slices a report tells sums by bucket of users, so that none over few users can be had by subtraction.

The values of one key are parts of the whole. Who takes all that are told away from it has the sums of the rest, by
bucket, so these must be over enough users too. Slices may be told in different numbers of buckets; then the rest at one
number is all that is told in fewer buckets, or not at all. Where the rest has few users in a bucket the smallest slice
joins it: complementary suppression, as it is called in statistical disclosure control.

Values of two keys together are parts of the values of each, and these of the whole. What can be had of so many sums is
not easily seen, so of such a pair all values must have enough users, in one number of buckets, or none is told.

Nobody can hide what is known besides: whoever knows that two values of different keys are the same lists but for one
user's has that user's by subtraction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from recsys.evaluation.metrics.user_buckets import FEWEST, LEAST_USERS, folded

Users = Mapping[str, Sequence[int]]
"""Value of a slice key → its users by bucket."""


def parts_to_tell(users: Users, wanted: Collection[str], unnamed: Sequence[int]) -> dict[str, int]:
    """The values among ``wanted`` whose sums may be told, with the number of buckets. ``unnamed``: by bucket, how many
    exposures are of values that are not in ``users``."""
    found: dict[str, int] = {}
    count = len(unnamed)
    while count >= FEWEST:
        here = [value for value in wanted if value not in found and _may_be_told(users[value], count)]
        here.sort(key=lambda value: (sum(users[value]), value))
        rest = [value for value in users if value not in found and value not in here]
        while here and not _safe([users[value] for value in rest], unnamed, count):
            rest.append(here.pop(0))
        found |= dict.fromkeys(here, count)
        count //= 2
    return found


def crossed_to_tell(users: Users, wanted: Collection[str], unnamed: Sequence[int]) -> dict[str, int]:
    """The same of the values of two keys together."""
    count = len(unnamed)
    while count >= FEWEST and not any(unnamed):
        if all(_safe([own], unnamed, count) for own in users.values()):
            return {value: count for value in wanted if _may_be_told(users[value], count)}
        count //= 2
    return {}


def _may_be_told(users: Sequence[int], count: int) -> bool:
    occupied = [value for value in folded(users, count) if value]
    return len(occupied) >= FEWEST and min(occupied) >= LEAST_USERS


def _safe(parts: Sequence[Sequence[int]], unnamed: Sequence[int], count: int) -> bool:
    """Whether each bucket that has users of these parts together has enough. A user may be in several parts, so they
    have at least as many as the largest of them."""
    for place, more in enumerate(folded(unnamed, count)):
        most = max((sum(own[place::count]) for own in parts), default=0)
        if (most or more) and most < LEAST_USERS:
            return False
    return True
