"""The sums of a report by bucket of users: what a comparison with another report is made of."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from recsys.attribution.join import Joined
from recsys.contracts.buckets import Buckets, SliceBuckets
from recsys.evaluation.metrics.user_buckets import (
    FEWEST,
    GROUPS,
    LEAST_USERS,
    MOST,
    ByBucket,
    bucket,
    buckets_to_tell,
    folded,
)
from recsys.evaluation.offline_config import CROSS
from recsys.evaluation.told_slices import crossed_to_tell, parts_to_tell

MIN_USERS = 100
"""A slice with fewer users is not compared."""
MOST_SLICES = 200
"""Slices of which a report holds sums, of all keys together and beside the whole: those with the most users."""
BEYOND = f"a report holds sums of no more than the {MOST_SLICES} slices with the most users"
BY_SUBTRACTION = (
    f"a report holds no sums from which those of fewer than {LEAST_USERS} users could be had by subtraction, as they "
    "could where other values of the key have few"
)
TOO_FEW = (
    f"no comparison is possible: users do not fill {FEWEST} buckets with {LEAST_USERS} each, and a report holds no "
    "sums over fewer"
)
_DIGITS = 8


class Sums:
    """Gathers sums by bucket, slice by slice."""

    def __init__(self) -> None:
        self._users: dict[tuple[str, str], list[int]] = {}
        self._n: dict[tuple[str, str], dict[str, list[int]]] = {}
        self._y: dict[tuple[str, str], dict[str, list[int]]] = {}

    def scores(self, key: str, value: str, found: ByBucket, names: Sequence[str]) -> None:
        """Exposures, those with a relevant item, and the sums of the scores of these names."""
        self._users[key, value] = found.users
        self._n[key, value] = {"exposures": found.columns[0], "responded": found.columns[1]}
        self._y[key, value] = dict(zip(names, found.columns[2:], strict=True))

    def more_scores(self, key: str, value: str, found: ByBucket, names: Sequence[str]) -> None:
        """Further scores over the same exposures."""
        self._y[key, value] |= dict(zip(names, found.columns[2:], strict=True))

    def diversity(self, key: str, value: str, found: ByBucket, name: str) -> None:
        """A mean over lists of its own."""
        self._users.setdefault((key, value), found.users)
        self._n.setdefault((key, value), {})[name] = found.columns[0]
        self._y.setdefault((key, value), {})[name] = found.columns[1]

    @property
    def users(self) -> Sequence[int]:
        """All users by bucket; empty where no score was asked for."""
        return self._users.get(("", ""), []) if "exposures" in self._n.get(("", ""), {}) else []

    def slices(self) -> tuple[list[SliceBuckets], dict[str, str]]:
        """What may be told: slices with enough users, in numbers of buckets none of which is small, also where slices
        are taken away from the whole. And by slice key, why slices with enough users are not among them."""
        counts, withheld = self._counts()
        slices = [
            SliceBuckets(
                slice_key=place[0], slice_value=place[1], users=sum(self._users[place]), count=counts[place],
                n={name: folded(values, counts[place]) for name, values in self._n[place].items()},
                y={name: folded(values, counts[place]) for name, values in self._y[place].items()},
            )
            for place in self._users
            if place in counts
        ]  # fmt: skip
        return slices, withheld

    def _counts(self) -> tuple[dict[tuple[str, str], int], dict[str, str]]:
        whole = ("", "")
        counts: dict[tuple[str, str], int] = {}
        if count := buckets_to_tell(self._users.get(whole, [])):
            counts[whole] = count
        large = self._large()
        most = set(large[:MOST_SLICES])
        withheld = {}
        for key in dict.fromkeys(key for key, _ in self._users if key):
            wanted = [value for own, value in most if own == key]
            users = {value: found for (own, value), found in self._users.items() if own == key}
            told = (crossed_to_tell if CROSS in key else parts_to_tell)(users, wanted, self._unnamed(key))
            counts |= {(key, value): count for value, count in told.items()}
            reasons = [BEYOND] if any(own == key for own, _ in large[MOST_SLICES:]) else []
            reasons += [BY_SUBTRACTION] if len(told) < len(wanted) else []
            if reasons:
                withheld[key] = "; ".join(reasons)
        return counts, withheld

    def _large(self) -> list[tuple[str, str]]:
        """Slices with enough users to be compared, those with the most first."""
        totals = {place: sum(users) for place, users in self._users.items() if place[0] and self._counted(place)}
        large = [place for place, total in totals.items() if total >= MIN_USERS]
        return sorted(large, key=lambda place: (-totals[place], place))

    def _counted(self, place: tuple[str, str]) -> bool:
        """Whether scores are summed there as of the whole. They are not of values that are cut."""
        return "exposures" in self._n[place] or "exposures" not in self._n["", ""]

    def _unnamed(self, key: str) -> list[int]:
        """By bucket, exposures (or lists of another kind) of values of which there are no sums."""
        whole = self._n.get(("", ""), {})
        name = next(iter(whole), "")
        if not name:
            return [1] * MOST
        parts = [sums[name] for (own, _), sums in self._n.items() if own == key and name in sums]
        return [total - sum(each) for total, *each in zip(whole[name], *parts, strict=True)]


def told(joined: Joined, sums: Sums, left_out: Mapping[str, list[float | None]]) -> Buckets:
    """The sums of a report, with the fingerprint of its requests."""
    requests, exposures, impressions = _requests(joined)
    slices, withheld = sums.slices()
    safe = bool(left_out) and _smallest_group(joined, sums.users) >= LEAST_USERS
    return Buckets(
        requests=requests,
        exposures=exposures,
        impressions=impressions,
        slices=slices,
        left_out=dict(left_out) if safe else {},
        withheld=withheld,
        note="" if slices and not slices[0].slice_key else TOO_FEW,
    )


def _smallest_group(joined: Joined, users: Sequence[int]) -> int:
    """Users of the smallest group that is left out; ``users`` by bucket, where they are known."""
    if users:
        return min((count for count in folded(users, GROUPS) if count), default=0)
    [(fewest,)] = joined.engine.rows(
        f"SELECT coalesce(min(users), 0) FROM (SELECT count(*) AS users FROM "  # noqa: S608 - our own text
        f"(SELECT {bucket(GROUPS)} AS user_group FROM exposures GROUP BY user_id) AS grouped "
        "GROUP BY user_group) AS counted"
    )
    return fewest


def _requests(joined: Joined) -> tuple[str, int, int]:
    """A fingerprint of the set of request ids: sums of the digits of their hashes, in whatever order they come; with
    the number of exposures and of impressions."""
    digits = "".join(f", sum(ascii(substr(digest, {place}, 1)))" for place in range(1, _DIGITS + 1))
    [row] = joined.engine.rows(
        f"SELECT count(*), coalesce(sum(n_items), 0){digits} FROM "  # noqa: S608 - our own text
        "(SELECT n_items, md5(request_id) AS digest FROM exposures) AS hashed"
    )
    exposures, impressions, *found = (int(value or 0) for value in row)
    return hashlib.sha256(repr((exposures, found)).encode()).hexdigest(), exposures, impressions
