"""Which sums of an experiment may leave: none of few users, and none that leaves few where it is taken away."""

import random

import numpy as np
import pytest

from recsys.evaluation.experiment.moments_cells import buckets_withheld, to_keep
from recsys.evaluation.experiment.reduce import UNITS, Sums


@pytest.mark.parametrize("seed", range(20))
def test_what_is_left_out_is_of_enough_users_together(seed):
    """Of each arm, where users are in one place each: none, or ten and more; and no place that stays has fewer."""
    rng = random.Random(seed)
    counts = {
        f"v{n}": {arm: rng.choice([0, 1, 3, 9, 10, 40, 900]) for arm in "AB"} for n in range(rng.randint(1, 8))
    }  # fmt: skip
    kept = to_keep(counts, 0)
    for arm in "AB":
        assert all(not 0 < counts[place][arm] < 10 for place in kept)
        rest = sum(users[arm] for place, users in counts.items() if place not in kept)
        assert not 0 < rest < 10 or not kept


def test_the_smallest_other_is_left_out_too():
    """And nothing where all have enough; places that nobody counted may be of one user."""
    some = {"home": {"A": 900, "B": 800}, "search": {"A": 70, "B": 60}}
    assert to_keep(some, 0) == ["home", "search"]
    assert to_keep(some | {"rare": {"A": 3, "B": 0}}, 0) == ["home"]
    assert to_keep(some, 1) == ["home"]
    assert to_keep({"home": some["home"], "rare": {"A": 3, "B": 0}}, 0) == []


def test_of_few_who_are_in_several_nothing_is_told():
    """What the squares of the whole are more than those of all places is of these users alone."""
    both = {"web": {"A": 90, "B": 80}, "app": {"A": 70, "B": 60}}
    for among, kept in (
        ({"A": 160, "B": 140}, ["web", "app"]), ({"A": 157, "B": 140}, ["web"]), ({"A": 160, "B": 131}, ["web"]),
        ({"A": 150, "B": 120}, ["web", "app"]), ({"A": 100, "B": 100}, ["web", "app"]),
    ):  # fmt: skip
        assert to_keep(both, 0, among) == kept
    many = {f"d{n}": {"A": 50} for n in range(5)}
    assert len(to_keep(many, 0, {"A": 250 - 36})) == 4
    assert len(to_keep(many, 0, {"A": 250 - 37})) == 5


def test_sums_by_bucket_leave_no_small_rest():
    """They are withheld where the values that are left out have few users in a bucket, or nobody counted them."""

    def sums(rare, left_out=0):
        tables = {"home": [40] * 16, "rare": rare}
        return Sums(
            arms=dict.fromkeys("AB"), slices={},  # type: ignore[arg-type]
            slice_buckets={
                ("surface", value): {arm: {UNITS: np.array(users)} for arm in "AB"} for value, users in tables.items()
            },
            latency={}, cap=None, occupied=frozenset(), left_out={"surface": left_out},
        )  # fmt: skip

    assert buckets_withheld(sums([0] * 16), "surface", ["home"]) == ""
    assert buckets_withheld(sums([12] * 16), "surface", ["home"]) == ""
    assert "left out" in buckets_withheld(sums([12] * 15 + [2]), "surface", ["home"])
    assert "left out" in buckets_withheld(sums([0] * 16, 1), "surface", ["home"])
