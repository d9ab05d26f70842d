"""A moment at which everybody gets another pseudonym: nobody from before is seen after, though people come back.

A salt that was changed, or that differs from one start of the service to the next, does that. Users *span* a bucket of
time if they were seen before it and after it. Where hardly any spans a busy bucket (one with half of the median
traffic), while on either side of it ``returning`` (30) users or more span some other busy one, pseudonyms are new from
there on. Without a fault about as many span one busy bucket as the next, and none of 30 does with a
probability under 10⁻¹²; up to ``left`` (2 %) of them may, of requests under way.

Only pseudonyms are looked at (64 hex digits): ids that are made anew for a visit may well be such a log's way. Aliases
that a log's index tells are one user already.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from msgspec import Struct

from recsys.attribution.doctor.breakdown import instant
from recsys.attribution.doctor.case import Case
from recsys.attribution.doctor.symptoms import Detector, Limits, Rows, Symptom, Unable

_BUSY = 0.5
_FIX = (
    "Keep EXPOSURE_HASH_SALT the same for all workers and from start to start. Where it was changed on purpose, serve "
    "with EXPOSURE_HASH_SALT_PREVIOUS: the logs' indexes then say which pseudonyms are one person's, and the join "
    "takes them for one. Without that, evaluate the time before it and the time after it each by itself."
)


class Change(Struct, frozen=True):
    """``spanning`` users span the bucket; ``before`` and ``after`` it so many span some other busy one."""

    bucket_us: int
    spanning: int
    before: int
    after: int


def changes(spans: list[tuple[int, int, int]], shown: dict[int, int], width_us: int, limits: Limits) -> list[Change]:
    """Of ``spans`` (first bucket, last bucket, users) and ``shown`` (bucket → exposures) the buckets in which all
    pseudonyms change, in order of time; neighbouring buckets are one."""
    import numpy as np

    start, end = min(shown), max(shown)
    buckets = (end - start) // width_us + 1
    first, last, users = np.array(spans, dtype=np.int64).T
    first, last = (first - start) // width_us, (last - start) // width_us
    busy = _busy([shown.get(start + place * width_us, 0) for place in range(buckets)])
    found: list[Change] = []
    for place in np.flatnonzero(busy).tolist():
        before, after = last <= place, first >= place
        sides = [_most(first[side], last[side], users[side], busy) for side in (before, after)]
        spanning = int(users[~before & (first < place)].sum())
        if min(sides) >= max(limits["returning"], 1) and spanning <= limits["left"] * min(sides):
            found.append(Change(start + place * width_us, spanning, *sides))
    return _apart(found, width_us)


def _apart(found: list[Change], width_us: int) -> list[Change]:
    """Of neighbouring buckets the one that the fewest users span."""
    groups: list[list[Change]] = []
    for change in found:
        if groups and change.bucket_us == groups[-1][-1].bucket_us + width_us:
            groups[-1].append(change)
        else:
            groups.append([change])
    return [min(group, key=lambda change: change.spanning) for group in groups]


def _busy(shown: list[int]) -> Any:
    """Which buckets have half of the median traffic: an array of truth values."""
    import numpy as np

    least = _BUSY * float(np.median([n for n in shown if n]))
    return np.array([n >= least for n in shown])


def _most(first: Any, last: Any, users: Any, busy: Any) -> int:
    """How many users span the busy bucket that most of them do."""
    import numpy as np

    spanning = last > first + 1
    begun = np.bincount(first[spanning] + 1, users[spanning], len(busy))
    ended = np.bincount(last[spanning], users[spanning], len(busy))
    return int((begun - ended).cumsum()[busy].max(initial=0))


def _look(case: Case, limits: Limits) -> list[Symptom]:
    case.table("exposure_marks")
    spans = case.rows(f"SELECT first_bucket_us, last_bucket_us, users, first_us FROM {case.table('user_spans')}")
    if not spans:
        raise Unable("no exposure has a pseudonym")
    shown = {
        bucket: int(n) for bucket, n in case.rows("SELECT bucket_us, sum(n) FROM exposure_marks GROUP BY bucket_us")
    }
    found = changes([span[:3] for span in spans], shown, case.bucket_us, limits)
    if not found:
        return []
    onset = min(first for bucket, last, _, first in spans if bucket >= found[0].bucket_us and last > found[0].bucket_us)
    return [_symptom(case, found, onset)]


def _symptom(case: Case, found: list[Change], onset: int) -> Symptom:
    n, last = case.one(f"SELECT count(*), max(ts_us) FROM exposures WHERE ts_us >= {onset}")
    times = "once" if len(found) == 1 else f"{len(found)} times"
    return Symptom(
        severity="serious",
        cause=(
            f"All users get another pseudonym {times}, first at {instant(onset)}, as where the salt changes: who comes "
            "back counts as somebody new, and may get another variant."
        ),
        fix=_FIX,
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
            for each in found
        ],
    )


NEW_PSEUDONYMS = Detector(
    name="new_pseudonyms",
    question="Do people keep their pseudonym?",
    look=_look,
    limits=MappingProxyType({"returning": 30.0, "left": 0.02}),
)
