"""A moment at which everybody gets another pseudonym: nobody from before is seen after, though people come back.

A salt that was changed, or that differs from one start of the service to the next, does that. Users *span* a bucket of
time if they were seen before it and after it. Where hardly any spans a busy bucket (one with half of the median
traffic), while on either side of it ``returning`` (30) users or more span some other busy one, pseudonyms are new from
there on. Without a fault about as many span one busy bucket as the next, and none of 30 does with a
probability under 10⁻¹²; up to ``left`` (2 %) of them may, of requests under way.

Pseudonyms of a session or of a day end where these do, which is no fault of the salt: changes ``recurring`` (3) times
or more at regular intervals, and those of each long lull of the traffic and at no other time, are a warning that says
how long a pseudonym lives. A salt made anew each night looks alike.

Only pseudonyms are looked at (64 hex digits): ids that are made anew for a visit may well be such a log's way. Aliases
that a log's index tells are one user already.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from msgspec import Struct

from recsys.attribution.doctor.breakdown import instant
from recsys.attribution.doctor.case import Case
from recsys.attribution.doctor.symptoms import Detector, Limits, Rows, Symptom, Unable

SHOWN = 5
"""So many changes are told one by one."""
_BUSY = 0.5
_LONG = 0.5
"""A lull is long that takes this share of the longest one's time."""
_SLACK = 2
"""Intervals are regular that differ by no more buckets."""
_FIX = (
    "Keep EXPOSURE_HASH_SALT the same for all workers and from start to start. Where it was changed on purpose, serve "
    "with EXPOSURE_HASH_SALT_PREVIOUS: the logs' indexes then say which pseudonyms are one person's, and the join "
    "takes them for one. Without that, evaluate the time before it and the time after it each by itself."
)
_FIX_SESSIONS = (
    "Where the service is asked with a session_id and no user_id, its pseudonyms are of sessions: send user.user_id if "
    "people shall be told apart, or read figures by user as figures by session. Else see that EXPOSURE_HASH_SALT is "
    "not made anew when the service starts."
)


class Change(Struct, frozen=True):
    """All pseudonyms change between the buckets from ``bucket_us`` to ``last_us``. ``spanning`` users span one of them;
    ``before`` and ``after`` it so many span some other busy one."""

    bucket_us: int
    last_us: int
    spanning: int
    before: int
    after: int


def changes(spans: Sequence[tuple[int, int, int]], shown: dict[int, int], limits: Limits) -> list[Change]:
    """Of ``spans`` (first bucket, last bucket, users) and ``shown`` (bucket → exposures) the buckets in which all
    pseudonyms change, in order of time; those with no busy one between them are one change. Buckets are numbered as
    far as they have rows: what lies between costs nothing, however long it is."""
    import numpy as np

    buckets = sorted(shown)
    number = {bucket: place for place, bucket in enumerate(buckets)}
    first, last, users = np.array([(number[a], number[b], n) for a, b, n in spans], dtype=np.int64).T
    busy = np.isin(buckets, busy_buckets(shown))
    groups: list[list[Change]] = []
    apart = True
    for place in np.flatnonzero(busy).tolist():
        before, after = last <= place, first >= place
        sides = [_most(first[side], last[side], users[side], busy) for side in (before, after)]
        spanning = int(users[~before & (first < place)].sum())
        changed = min(sides) >= max(limits["returning"], 1) and spanning <= limits["left"] * min(sides)
        if changed:
            if apart:
                groups.append([])
            groups[-1].append(Change(buckets[place], buckets[place], spanning, *sides))
        apart = not changed
    return [_one(group) for group in groups]


def _one(group: list[Change]) -> Change:
    """Of neighbouring buckets the one that the fewest users span; if all do alike, the change is between them."""
    fewest = min(change.spanning for change in group)
    among = [change for change in group if change.spanning == fewest]
    first, last = among[0], among[-1]
    return Change(first.bucket_us, last.bucket_us, fewest, first.before, last.after)


def busy_buckets(shown: dict[int, int]) -> list[int]:
    """The buckets with half of the median traffic, in order of time."""
    import numpy as np

    least = _BUSY * float(np.median([n for n in shown.values() if n]))
    return sorted(bucket for bucket, n in shown.items() if n >= least)


def _most(first: Any, last: Any, users: Any, busy: Any) -> int:
    """How many users span the busy bucket that most of them do."""
    import numpy as np

    spanning = last > first + 1
    begun = np.bincount(first[spanning] + 1, users[spanning], len(busy))
    ended = np.bincount(last[spanning], users[spanning], len(busy))
    return int((begun - ended).cumsum()[busy].max(initial=0))


def end_by_nature(found: Sequence[Change], busy: Sequence[int], width_us: int, limits: Limits) -> bool:
    """Whether the changes come as those of sessions or days do: regularly, or in each long lull of the traffic and
    nowhere else. ``busy``: the busy buckets in order of time."""
    gaps = [after.bucket_us - before.bucket_us for before, after in pairwise(found)]
    if len(found) >= max(limits["recurring"], 2) and max(gaps) - min(gaps) <= _SLACK * width_us:
        return True
    lulls = [(end - begin, begin, end) for begin, end in pairwise(busy) if end - begin > width_us]
    longest = max((length for length, _, _ in lulls), default=0)

    long = [(begin, end) for length, begin, end in lulls if length >= _LONG * longest]
    met = [[change.bucket_us <= end and change.last_us >= begin for begin, end in long] for change in found]
    return bool(met and long) and all(map(any, met)) and all(map(any, zip(*met, strict=True)))


def _lifetime_us(spans: Sequence[tuple[int, int, int]], width_us: int, left: float) -> int:
    """Hardly any pseudonym, no more than a share of ``left``, is seen for longer."""
    lives = sorted((last - first + width_us, users) for first, last, users in spans)
    rest = sum(users for _, users in lives) * (1 - left)
    for life, users in lives:
        rest -= users
        if rest <= 0:
            return life
    return lives[-1][0]


def _look(case: Case, limits: Limits) -> list[Symptom]:
    case.table("exposure_marks")
    rows = case.rows(f"SELECT first_bucket_us, last_bucket_us, users, first_us FROM {case.table('user_spans')}")
    if not rows:
        raise Unable("no exposure has a pseudonym")
    shown = {
        bucket: int(n) for bucket, n in case.rows("SELECT bucket_us, sum(n) FROM exposure_marks GROUP BY bucket_us")
    }
    spans = [(first, last, int(users)) for first, last, users, _ in rows]
    found = changes(spans, shown, limits)
    if not found:
        return []
    onset = min(first for _, last, _, first in rows if first >= found[0].bucket_us and last > found[0].bucket_us)
    lifetime = None
    if end_by_nature(found, busy_buckets(shown), case.bucket_us, limits):
        lifetime = _lifetime_us(spans, case.bucket_us, limits["left"])
    return [_symptom(case, found, onset, lifetime)]


def _symptom(case: Case, found: list[Change], onset: int, lifetime_us: int | None) -> Symptom:
    """``lifetime_us``: how long pseudonyms live that end by their nature; None of others."""
    n, last = case.one(f"SELECT count(*), max(ts_us) FROM exposures WHERE ts_us >= {onset}")
    times = "once" if len(found) == 1 else f"{len(found)} times"
    if lifetime_us is None:
        cause = (
            f"All users get another pseudonym {times}, first at {instant(onset)}, as where the salt changes: who comes "
            "back counts as somebody new, and may get another variant."
        )
    else:
        hours = max(round(lifetime_us / 3_600_000_000, 1), 0.1)
        cause = (
            f"Pseudonyms live for at most {hours:g} h, all of them end together "
            f"({times}, first at {instant(onset)}): they are of sessions or days, or the salt is made anew so often. "
            "Who comes back counts as somebody new."
        )
    return Symptom(
        severity="serious" if lifetime_us is None else "warning",
        cause=cause,
        fix=_FIX if lifetime_us is None else _FIX_SESSIONS,
        log="exposures",
        n=n,
        of=case.quality.exposures.distinct,
        rows=Rows(
            query=f"SELECT request_id AS row FROM exposures WHERE ts_us >= {onset}",
            outcomes="SELECT row_number AS row FROM outcome_fates WHERE user_mismatch "
            f"AND exposure_ts_us < {onset} AND ts_us >= {found[0].bucket_us}",
        ),
        first_us=onset,
        last_us=last,
        onset_us=onset,
        facts=[
            f"Around {instant(each.bucket_us)} users seen before and after are {each.spanning:,}; at other times "
            f"of either side they are {each.before:,} and {each.after:,}."
            for each in found[:SHOWN]
        ],
    )


NEW_PSEUDONYMS = Detector(
    name="new_pseudonyms",
    question="Do people keep their pseudonym?",
    look=_look,
    limits=MappingProxyType({"returning": 30.0, "left": 0.02, "recurring": 3.0}),
)
