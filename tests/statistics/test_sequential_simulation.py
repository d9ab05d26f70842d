"""The sequence over running experiments: whenever one looks, a true null is not decided, and an effect is covered.

These few runs must only not refute the limits. The long form, in which the upper ends of 99 % intervals of the rates
are within them, makes the table of error rates in the documents.
"""

import numpy as np
import pytest
import scipy.stats

from error_rates import BOTH, ONE_SIDE, SIZES, crossings
from experiment_simulation import distances, mean_conversions, null, population
from recsys.statistics.sequential import reach


@pytest.mark.parametrize(("kind", "share"), [("ctr", 0.5), ("ctr", 0.1), ("revenue", 0.5)])
def test_a_null_is_rarely_decided(kind, share):
    """A few runs do not refute that each side is crossed in at most 2.5 % of true nulls."""
    runs = 60
    found = crossings(kind, share, SIZES[kind, share], runs)
    assert found.allowed > 2
    for count, limit in ((found.above, ONE_SIDE), (found.below, ONE_SIDE), (found.either, BOTH)):
        assert scipy.stats.binom.sf(count - 1, runs, limit) > 0.005


@pytest.mark.parametrize(("kind", "lift"), [("ctr", 0.02), ("conversion", 0.25)])
def test_an_effect_is_covered(kind, lift):
    """A few runs do not refute that all intervals of a run hold a true effect in 95 % of the runs."""
    runs = 200
    found = crossings(kind, 0.5, SIZES[kind, 0.5], runs, lift)
    assert found.allowed > 4
    assert scipy.stats.binom.sf(found.either - 1, runs, BOTH) > 0.005


def test_the_truth_of_conversions_is_that_of_the_simulation():
    """The expected conversions of a user at each look are those of a large population."""
    people = population(np.random.default_rng(10), 4_000_000, "conversion")
    joined = np.cumsum(np.bincount(people.joined, minlength=14) + people.idle)
    assert people.y.sum(axis=0) / joined == pytest.approx(mean_conversions(), rel=0.03)


def test_one_looks_interval_at_every_look_decides_true_nulls():
    """That the simulation can find a fault: with 1.96 errors at each look, far more than 5 % of nulls are decided."""
    rng, runs, wrong = np.random.default_rng(9), 300, 0
    for _ in range(runs):
        z = distances(*null(rng, "ctr", 0.5, SIZES["ctr", 0.5]))
        wrong += int((np.abs(z) * reach(3_000, level=0.95) > 1.96).any())
    print(f"\nwith 1.96 errors at each look {wrong / runs:.1%} of true nulls are decided")
    assert wrong / runs > 1.5 * BOTH
