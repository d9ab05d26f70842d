"""What a report holds by bucket of users, against plain Python on the rows; and that no bucket is small."""

from collections import Counter, defaultdict

import msgspec
import pytest

from offline_worlds import bucket, made, report
from recsys.contracts.report import Report
from recsys.evaluation.metrics.user_buckets import buckets_to_tell, folded
from recsys.evaluation.render import text
from recsys.statistics.moments import SCALE


def test_sums_by_bucket_are_those_of_the_rows(tmp_path):
    """Of the whole, of a slice and of a crossed one: exposures, responses and scores by bucket of users, exactly."""
    rows = made(900)
    found = report(tmp_path, rows).buckets
    told = {(part.slice_key, part.slice_value): part for part in found.slices}
    assert {("", ""), ("surface", "home"), ("device", "unknown"), ("surface*device", "home × phone")} <= set(told)
    for (key, value), part in told.items():
        keys = [word for word in key.split("*") if word]
        of = [row for row in rows if " × ".join(row[word] or "unknown" for word in keys) == value]
        users = Counter(bucket(user, part.count) for user in {row["user"] for row in of})
        assert part.users == users.total() >= 100
        assert min(users.values()) >= 10
        assert (
            part.count == 128 or min(Counter(bucket(u, 2 * part.count) for u in {r["user"] for r in of}).values()) < 10
        )
        exposures, responded, hits, ranks = (Counter() for _ in range(4))
        for row in of:
            place = bucket(row["user"], part.count)
            clicked = [at for at in row["clicked"] if at < len(row["items"])]
            exposures[place] += 1
            responded[place] += bool(clicked)
            hits[place] += SCALE * bool(clicked)
            ranks[place] += round(SCALE / (clicked[0] + 1)) if clicked else 0
        for counted, sums in (
            (exposures, part.n["exposures"]), (responded, part.n["responded"]), (hits, part.y["hitrate@10"]),
            (ranks, part.y["mrr@10"]),
        ):  # fmt: skip
            assert [counted[place] for place in range(part.count)] == sums


def test_what_is_left_out_is_the_figure_without_each_group(tmp_path):
    """Coverage, novelty and Gini without each of 32 groups of users, over plain rows; and intervals in slices too."""
    rows = made(700)
    found = report(tmp_path, rows)
    shown = found.buckets.left_out
    for group in range(32):
        rest = [row for row in rows if bucket(row["user"], 32) != group]
        every = Counter(item for row in rest for item in row["items"])
        top = {item for row in rest for item in row["items"][:2]}
        counts = sorted(every.values())
        differences = sum(abs(a - b) for a in counts for b in counts)
        assert shown["coverage@2"][group] == pytest.approx(len(top) / len(every))
        assert shown["gini"][group] == pytest.approx(differences / (2 * len(counts) * sum(counts)))
    spread = {(r.metric, r.slice_value): r.estimate for r in found.results if r.estimate.units is None}
    for (metric, value), estimate in spread.items():
        if metric == "gini":
            assert estimate.low < estimate.value < estimate.high, value
            assert "jackknife" in estimate.method


def test_a_small_log_tells_no_sums(tmp_path):
    """Where no division has ten users in each of eight buckets there are none, and the report says why."""
    found = report(tmp_path, made(60)).buckets
    assert (found.slices, found.left_out) == ([], {})
    assert "users do not fill 8 buckets" in found.note


def test_the_fingerprint_is_of_the_set_of_requests(tmp_path):
    """Any order of rows and other clicks leave it as it is; one request that is another changes it."""
    rows = made(30)
    prints = [
        report(tmp_path / name, part).buckets.requests
        for name, part in {
            "a": rows,
            "b": [{**row, "clicked": [0]} for row in reversed(rows)],
            "c": [*rows[:-1], {**rows[-1], "request": "another"}],
            "d": rows[:-1],
        }.items()
    ]
    assert prints[0] == prints[1]
    assert len(set(prints)) == 3


def test_the_level_is_that_of_all_intervals(tmp_path):
    """A level of 0.8 makes every interval narrower, and each says so."""
    usual, narrow = (report(tmp_path / name, made(300), **kind) for name, kind in (("a", {}), ("b", {"level": 0.8})))
    pairs = list(zip(usual.results, narrow.results, strict=True))
    assert sum(one.estimate.low is not None for one, _ in pairs) > 20
    for one, other in pairs:
        if one.estimate.low is not None:
            assert (one.estimate.level, other.estimate.level) == (0.95, 0.8)
            assert other.estimate.high - other.estimate.low < one.estimate.high - one.estimate.low
    assert "80 % interval" in narrow.summary.headline


def test_crossed_values_cannot_be_taken_for_each_other(tmp_path):
    """A × within a value is doubled, so two pairs of values never share a name."""
    rows = made(8)
    for row, (surface, device) in zip(rows, [("a × b", "c"), ("a", "b × c")] * 20, strict=False):
        row["surface"], row["device"] = surface, device
    values = {r.slice_value for r in report(tmp_path, rows).results if r.slice_key == "surface*device"}
    assert values == {"a ×× b × c", "a × b ×× c"}


def test_lists_of_numbers_take_one_line(tmp_path):
    """The JSON is indented, but not each sum on a line of its own; it reads back to the same report."""
    found = report(tmp_path, made(900))
    written = text(found, "json")
    assert msgspec.json.decode(written, type=Report) == found
    assert written.count("\n") < 2000


def test_folding_adds_whole_buckets():
    """A division of fewer buckets is made of those of more, and the largest without a small bucket is told."""
    users = [12] * 128
    assert (buckets_to_tell(users), buckets_to_tell([0] * 128)) == (128, 0)
    users[5] = 3
    assert buckets_to_tell(users) == 64
    assert folded(range(16), 8) == [0 + 8, 1 + 9, 2 + 10, 3 + 11, 4 + 12, 5 + 13, 6 + 14, 7 + 15]
    sparse = defaultdict(int, {0: 50, 1: 50})
    assert buckets_to_tell([sparse[place] for place in range(128)]) == 0
