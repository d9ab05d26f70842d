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
    ByBucket,
    bucket,
    buckets_to_tell,
    folded,
)

MIN_USERS = 100
"""A slice with fewer users is not compared."""
MOST_SLICES = 200
"""Slices of which a report holds sums: those with the most users."""
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

    def slices(self) -> list[SliceBuckets]:
        """What may be told: slices with enough users, in the largest number of buckets none of which is small."""
        totals = {place: sum(users) for place, users in self._users.items()}
        most = sorted(totals, key=lambda place: (place != ("", ""), -totals[place], place))[:MOST_SLICES]
        return [
            SliceBuckets(
                slice_key=place[0], slice_value=place[1], users=totals[place], count=count,
                n={name: folded(values, count) for name, values in self._n[place].items()},
                y={name: folded(values, count) for name, values in self._y[place].items()},
            )
            for place in self._users
            if place in most and totals[place] >= (MIN_USERS if place[0] else 0)
            and (count := buckets_to_tell(self._users[place]))
        ]  # fmt: skip


def told(joined: Joined, sums: Sums, left_out: Mapping[str, list[float | None]]) -> Buckets:
    """The sums of a report, with the fingerprint of its requests."""
    requests, exposures, impressions = _requests(joined)
    slices = sums.slices()
    safe = bool(left_out) and _smallest_group(joined, sums.users) >= LEAST_USERS
    return Buckets(
        requests=requests,
        exposures=exposures,
        impressions=impressions,
        slices=slices,
        left_out=dict(left_out) if safe else {},
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
