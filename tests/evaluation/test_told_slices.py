"""Of which slices sums may be told: whatever is taken away from what, no sum over few users is left."""

import itertools
import random
from collections import Counter
from functools import cache

import pytest

from offline_worlds import bucket, made, report
from recsys.evaluation.metrics.user_buckets import MOST, buckets_to_tell
from recsys.evaluation.reports_compared import compare
from recsys.evaluation.told_slices import crossed_to_tell, parts_to_tell

NOBODY = [0] * MOST


@cache
def fine(user):
    """Its bucket of the most."""
    return bucket(user, MOST)


def by_bucket(users):
    """How many of these users are in each of the most buckets."""
    found = Counter(map(fine, users))
    return [found[place] for place in range(MOST)]


def leaks(users, told, count):
    """Sums over 1 to 9 users that can be had, at so many buckets, of the whole and any of the slices told."""
    known = [value for value, at in told.items() if at >= count]
    for size in range(len(known) + 1):
        for gone in itertools.combinations(known, size):
            rest = set().union(*(users[value] for value in users if value not in gone))
            if any(users < 10 for users in Counter(fine(user) % count for user in rest).values()):
                yield count, gone


@pytest.mark.parametrize("seed", range(12))
def test_no_sum_over_few_users_can_be_had_by_subtraction(seed):
    """Every subset of the slices told, taken from the whole, at every number of buckets, by brute force; users come in
    several slices."""
    rng = random.Random(seed)
    everybody = [f"u{n}" for n in range(5000)]
    sizes = [rng.choice([1, 3, 12, 90, 150, 400, 2500]) for _ in range(rng.randint(1, 5))]
    users = {f"v{n}": set(rng.sample(everybody, size)) for n, size in enumerate([3500, *sizes])}
    told = parts_to_tell(
        {v: by_bucket(own) for v, own in users.items()}, [v for v, own in users.items() if len(own) >= 100], NOBODY
    )
    top = buckets_to_tell(by_bucket(set().union(*users.values())))
    assert top == MOST
    for count in (128, 64, 32, 16, 8):
        assert list(leaks(users, told, count)) == []


def test_one_rare_value_takes_the_smallest_other_with_it():
    """Of home, search and three users the sums of home stay, in as many buckets as before; of home and three users
    nothing does; and all stay where there is no rare value."""
    home, search, rare = (by_bucket(f"u{n}" for n in range(size)) for size in (8000, 6000, 3))
    both = ["home", "search"]
    assert parts_to_tell({"home": home, "search": search, "rare": rare}, both, NOBODY) == {"home": 128}
    assert parts_to_tell({"home": home, "rare": rare}, ["home"], NOBODY) == {}
    assert parts_to_tell({"home": home, "search": search}, both, NOBODY) == {"home": 128, "search": 128}


def test_values_that_nobody_counted_count_as_rare():
    """Exposures of values that are cut may be of one user."""
    home, search = (by_bucket(f"u{n}" for n in range(size)) for size in (8000, 6000))
    unnamed = [0] * 5 + [1] + [0] * (MOST - 6)
    assert parts_to_tell({"home": home, "search": search}, ["home", "search"], unnamed) == {"home": 128}
    assert crossed_to_tell({"a × b": home, "a × c": search}, ["a × b", "a × c"], unnamed) == {}


def test_of_two_keys_together_all_or_none():
    """One number of buckets in which each value has enough users, else none; small ones are not told."""
    a, b, c = (by_bucket(f"u{n}" for n in range(size)) for size in (8000, 900, 3))
    found = crossed_to_tell({"a": a, "b": b}, ["a", "b"], NOBODY)
    assert len(set(found.values())) == 1 < 128 > found["a"] >= 8
    assert crossed_to_tell({"a": a, "b": b, "c": c}, ["a", "b"], NOBODY) == {}


def test_a_report_says_why_it_has_no_sums_of_a_slice(tmp_path):
    """Three users of a rare surface: neither it nor the other one has sums, and the change says why."""
    rows = [{**row, "surface": "rare" if row["user"] in ("u7", "u8", "u9") else "home"} for row in made(900)]
    found = report(tmp_path, rows)
    assert {part.slice_key for part in found.buckets.slices} == {"", "device"}
    assert set(found.buckets.withheld) == {"surface", "surface*device"}
    other = report(tmp_path / "b", [{**row, "request": f"x{row['request']}"} for row in rows])
    notes = {c.slice_value: c.change.note for c in compare(found, other).changes if c.metric == "hitrate@10"}
    assert "could be had by subtraction" in notes["home"]
    assert "too few users" in notes["rare"]
