"""Sums of disjoint sets of users add, in any order and grouping, also where parts of them were left out."""

import dataclasses
from itertools import permutations

import msgspec
import numpy as np
import pytest

import ab_logs
from ab_logs import World
from moment_parts import configured, evaluated
from recsys.evaluation.experiment import added, maturity, moments_read
from recsys.evaluation.experiment.cap import Cap
from recsys.statistics.aggregates import Aggregates

BUCKETS = 16


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Three sets of users, so few that each leaves out other values, days and buckets; the last has a third arm."""
    worlds = [World(users=240, seed=5, days=9), World(users=60, seed=6, days=12), World(users=90, seed=7).but(C={})]
    folder = tmp_path_factory.mktemp("added")
    found = []
    for number, world in enumerate(worlds):
        options = ab_logs.write(ab_logs.logs(world), folder / str(number))
        done = evaluated(options, configured({"bootstrap": {"buckets": BUCKETS}}))
        found += [done.gathered, moments_read.gathered(done.moments, BUCKETS)]
    return found


def plain(value):
    """What can be compared: arrays as lists, tables without their order."""
    if isinstance(value, np.ndarray):
        return [int(number) for number in value.ravel()], value.shape
    if isinstance(value, dict):
        return {repr(key): plain(own) for key, own in value.items()}
    if isinstance(value, list | tuple):
        return [plain(own) for own in value]
    if isinstance(value, msgspec.Struct):
        return plain(msgspec.structs.asdict(value))
    if dataclasses.is_dataclass(value):
        return {part.name: plain(getattr(value, part.name)) for part in dataclasses.fields(value)}
    return value


@pytest.mark.parametrize("kind", [0, 1], ids=["gathered", "from moments"])
def test_the_order_does_not_matter(parts, kind):
    """(a + b) + c = a + (b + c) = any other order, of what was gathered and of what moments hold of it."""
    three = parts[kind::2]
    sums = []
    for a, b, c in permutations(three):
        sums.append(plain(added.added(added.added(a, b), c)))
        sums.append(plain(added.added(a, added.added(b, c))))
    assert all(each == sums[0] for each in sums)
    assert sums[0]["sums"]["arms"]["'A'"]["units"] == sum(each.sums.arms["A"].units for each in three)


def test_a_value_that_a_part_left_out_is_in_no_sum(parts):
    """Else it would be of some of its users. A value that a part has nothing of, and left none out, counts as 0."""
    one = dataclasses.replace(parts[0].sums, left_out={"device": 0, "surface": 0}, days_left_out=0)
    arms = {arm: Aggregates(12, own.totals, own.products, own.nonzero) for arm, own in one.arms.items()}
    rare = dataclasses.replace(one, slices={**one.slices, ("device", "tv"): arms})
    assert added.sums_added(rare, one).slices["device", "tv"]["A"].units == 12
    assert added.sums_added(one, rare).slices["device", "tv"]["A"].units == 12
    thin = dataclasses.replace(one, left_out={"device": 1, "surface": 0})
    for both in (added.sums_added(rare, thin), added.sums_added(thin, rare)):
        assert ("device", "tv") not in both.slices
        assert ("device", "web") in both.slices
        assert both.left_out == {"device": 1, "surface": 0}


def test_caps_that_differ_do_not_add(parts):
    """Nor do sums with a cap and without one, nor those of two experiments."""
    one = parts[0].sums
    for cap in (None, Cap(1, None, 0, 0)):
        with pytest.raises(ValueError, match="cap"):
            added.sums_added(one, dataclasses.replace(one, cap=cap))
    other = msgspec.structs.replace(parts[0].parts, experiment_id="exp-2")
    with pytest.raises(ValueError, match="two experiments"):
        added.added(parts[0], dataclasses.replace(parts[0], parts=other))


def test_sums_beyond_64_bits():
    """Two halves of what 64 bits do not hold, as Python's integers."""
    half = np.array([2**62, -(2**62), 1], dtype=np.int64)
    assert added.numbers_added(half, half).tolist() == [2**63, -(2**63), 2]
    assert added.numbers_added(half[2:], half[2:]).dtype == np.int64


def test_ages_until_an_earlier_end_are_not_overstated():
    """A part that ended a minute earlier: its lists are a minute older, at least, and none is lost."""
    minute = 60_000_000
    found = maturity.Maturity({}, {0: {"A": {0: 2, 3: 5}}}) + maturity.Maturity({}, {minute: {"A": {0: 1}}})
    assert found.end_us == minute
    assert found.ages == {"A": {0: 1, 6: 2, 7: 5}}
