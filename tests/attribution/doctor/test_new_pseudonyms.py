"""A salt that changes: found with its moment where people come back, and in no log in which they do not change."""

from collections import Counter

import numpy as np
import pytest

from doctor_findings import found, only, planted
from doctor_world import examine, pseudonym, stamp
from recsys.attribution.doctor.detectors.new_pseudonyms import NEW_PSEUDONYMS, busy_buckets, changes, end_by_nature

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
        number += bool(changes(*log(rng, **{**size, "kind": KINDS[place % 5], **options})[:2], NEW_PSEUDONYMS.limits))
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
        [change] = changes(spans, shown, NEW_PSEUDONYMS.limits)
        assert abs(change.bucket_us - moment * 3 * 86_400) <= width


def of_days(days, change=None, salted_nightly=True, hours=(8, 18)):
    """Spans and exposures by hour of 100 people who are there all day, under another pseudonym each day, or from the
    day ``change`` on."""
    spans, shown = Counter(), Counter()
    for day in range(days):
        open_at, closed_at = day * 24 + hours[0], day * 24 + hours[1]
        for hour in range(open_at, closed_at):
            shown[hour * HOUR] += 100
        if salted_nightly:
            spans[open_at * HOUR, (closed_at - 1) * HOUR] += 100
    if not salted_nightly:
        split = days if change is None else change
        for since, until in ((0, split), (split, days)):
            if until > since:
                spans[(since * 24 + hours[0]) * HOUR, ((until - 1) * 24 + hours[1] - 1) * HOUR] += 100
    return [(first, last, n) for (first, last), n in spans.items()], dict(shown)


HOUR = 3_600_000_000


@pytest.mark.parametrize(
    ("logs", "times", "by_nature"),
    [
        (of_days(5), 4, True),
        (of_days(2), 1, True),
        (of_days(5, hours=(0, 24)), 4, True),
        (of_days(2, hours=(0, 24)), 1, False),
        (of_days(5, change=2, salted_nightly=False), 1, False),
        (of_days(5, salted_nightly=False), 0, False),
    ],
    ids=["sessions", "two days of sessions", "sessions day and night", "a change", "a change one night", "people"],
)
def test_pseudonyms_that_end_by_their_nature(logs, times, by_nature):
    """They do in each night, or regularly; a salt that changes once of several nights, or in full traffic, does not."""
    spans, shown = logs
    found = changes(spans, shown, NEW_PSEUDONYMS.limits)
    assert len(found) == times
    assert end_by_nature(found, busy_buckets(shown), HOUR, NEW_PSEUDONYMS.limits) == by_nature


def test_pseudonyms_of_sessions():
    """People who get another pseudonym each quarter of a day, as session ids give: a warning that tells how long."""
    logs = planted(3, requests=2_400, users=120, days=1)
    for log_ in logs:
        for row in log_:
            row["user_id"] = pseudonym(f"{row['user_id']}{int(row['ts'][11:13]) // 6}")
    shown, _, _ = logs
    quarters = [pseudonym(row["user_id"]) for row in shown]
    assert len(set(quarters)) > 300
    finding = found(examine(shown, []), "new_pseudonyms")[""]
    assert finding.severity == "warning"
    assert "Pseudonyms live for at most 6" in finding.cause
    assert "session_id" in finding.fix


def test_a_row_of_1970_costs_nothing():
    """One row half a century before the others, of a user who is there too: all is told in no time, and the row."""
    shown, done, _ = planted(1, requests=300, users=60, days=0.02)
    diagnosis = examine([*shown, {**shown[0], "request_id": "old", "ts": "1970-01-01T00:00:00Z"}], done)
    [finding] = diagnosis.findings
    assert (finding.detector, finding.subject, finding.evidence.rows) == ("far_past", "exposures", 1)


def test_buckets_are_numbered_as_far_as_they_have_rows():
    """A user of all times spans half a century of seconds."""
    shown = {second * 1_000_000: 2 for second in range(1_700_000_000, 1_700_000_200)}
    old = {0: 1}
    assert (
        changes(
            [(0, 1_700_000_199_000_000, 1), (1_700_000_000_000_000, 1_700_000_199_000_000, 99)],
            old | shown,
            NEW_PSEUDONYMS.limits,
        )
        == []
    )
