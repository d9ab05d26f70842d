"""A salt that changes: found with its moment where people come back, and in no log in which they do not change."""

from collections import Counter

import numpy as np
import pytest

from doctor_findings import found, only, planted
from doctor_world import examine, pseudonym, stamp
from recsys.attribution.doctor.detectors.new_pseudonyms import NEW_PSEUDONYMS, changes

WIDTHS_S = (1, 5, 15, 60, 300, 900, 3_600, 21_600, 86_400)


def salted(logs, moment):
    """Gives users another salt from a moment on."""
    for log in logs:
        for row in log:
            if row["ts"] >= moment:
                row["user_id"] = pseudonym(row["user_id"], "another salt")
    return logs


def big(seed):
    return planted(seed, requests=1_500, users=150)


@pytest.mark.parametrize(("seed", "moment"), [(1, "2026-02-03T12:00:00Z"), (2, "2026-02-02T20:30:00Z")])
def test_a_salt_that_changes(seed, moment):
    """The onset is the first list of somebody new who comes back, within a bucket of the change."""
    logs = salted(big(seed), moment)
    finding = only(examine(*logs), "new_pseudonyms")
    assert "All users get another pseudonym once" in finding.cause
    onset = stamp(finding.evidence.onset)
    assert moment <= onset < moment.replace(":00:00Z", ":59").replace(":30:00Z", ":59") + "Z"
    assert finding.evidence.rows == sum(row["ts"] >= onset for row in logs[0])
    assert "EXPOSURE_HASH_SALT_PREVIOUS" in finding.fix


def test_a_salt_of_each_start():
    """Two changes are one finding with both."""
    logs = salted(salted(planted(3, requests=2_400, users=120), "2026-02-03T00:00:00Z"), "2026-02-04T00:00:00Z")
    finding = only(examine(*logs), "new_pseudonyms")
    assert "another pseudonym 2 times" in finding.cause
    assert len(finding.evidence.facts) == 2


def test_what_was_under_way_is_explained_by_it():
    """Outcomes after the change of lists before it name other users: one finding, not two."""
    shown, done, assigned = salted(big(1), "2026-02-03T12:00:00Z")
    last = [row for row in shown if row["ts"] < "2026-02-03T12:00:00Z"][-12:]
    for row in last:
        done.append(
            {
                "request_id": row["request_id"], "user_id": pseudonym(row["user_id"], "another salt"),
                "item_id": row["items"][0]["item_id"], "event_type": "conversion", "ts": "2026-02-03T12:30:00Z",
            }
        )  # fmt: skip
    finding = only(examine(shown, done, assigned), "new_pseudonyms")
    assert [each.detector for each in finding.nested] == ["user_mismatch"]


def test_raw_ids_and_small_logs():
    """Ids that are no pseudonyms are none of its business; few users tell nothing."""
    shown, done, assigned = big(1)
    for log in (shown, done, assigned):
        for row in log:
            row["user_id"] = f"{row['ts'][:10]}-{row['user_id'][:8]}"
    diagnosis = examine(shown, done, assigned)
    assert found(diagnosis, "new_pseudonyms") == {}
    assert {each.unable for each in diagnosis.checks if each.detector == "new_pseudonyms"} == {
        "no exposure has a pseudonym"
    }
    assert found(examine(*salted(planted(1, requests=60, users=20), "2026-02-03T12")), "new_pseudonyms") == {}


def log(rng, *, users, visits, days, kind, change=None):
    """(spans, exposures by bucket, width) of a log: people who come at any time, by day only, in a time of their own,
    or under an id for a session."""
    end = days * 86_400
    who = rng.integers(users, size=users * visits)
    if kind in {"session", "session by day"}:
        begun = rng.random(len(who) // 5) * end
        who = rng.integers(len(begun), size=len(who))
        at = begun[who] + rng.exponential(1_200, len(who))
    elif kind == "own time":
        at = (rng.random(users) * end)[who] + rng.exponential(end / 20, len(who)) * rng.choice([-1, 1], len(who))
    else:
        at = rng.random(len(who)) * end
    if kind in {"by day", "session by day"}:
        at = at // 86_400 * 86_400 + at % 86_400 / 2
    at = np.clip(at, 0, end - 1)
    if change is not None:
        who = np.where(at >= change * end, who + users, who)
    width = next(width for width in WIDTHS_S if end <= width * 240)
    buckets = at // width * width
    seen = {}
    for user, bucket in zip(who.tolist(), buckets.tolist(), strict=True):
        first, last = seen.get(user, (bucket, bucket))
        seen[user] = min(first, bucket), max(last, bucket)
    spans = [(int(first), int(last), n) for (first, last), n in Counter(seen.values()).items()]
    return spans, {int(bucket): n for bucket, n in Counter(buckets.tolist()).items()}, width


KINDS = ("any time", "by day", "own time", "session", "session by day")


def alarms(rng, count, **options):
    """How many of so many random logs have a change."""
    number = 0
    for place in range(count):
        size = {
            "users": int(rng.choice([60, 300])),
            "visits": int(rng.choice([2, 5, 20])),
            "days": int(rng.choice([1, 3])),
        }
        number += bool(changes(*log(rng, **{**size, "kind": KINDS[place % 5], **options}), NEW_PSEUDONYMS.limits))
    return number


def test_no_change_by_chance():
    """In 400 random logs of people of all kinds nobody changes."""
    assert alarms(np.random.default_rng(7), 400) == 0


@pytest.mark.long
def test_no_change_by_chance_in_many_logs():
    """Nor in 5,000."""
    assert alarms(np.random.default_rng(8), 5_000) == 0


def test_changes_are_found():
    """In 40 of 40 logs whose users come back and change."""
    rng = np.random.default_rng(9)
    for _ in range(40):
        moment = float(rng.uniform(0.2, 0.8))
        options = {"users": 300, "visits": 10, "days": 3, "kind": "any time", "change": moment}
        spans, shown, width = log(rng, **options)
        [change] = changes(spans, shown, width, NEW_PSEUDONYMS.limits)
        assert abs(change.bucket_us - moment * 3 * 86_400) <= width
