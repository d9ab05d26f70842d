"""Intervals of one look, and the planner, in simulated experiments; the long form makes the table of error rates."""

import numpy as np
import pytest
import scipy.stats

import planned_simulation as planned
from error_rates import covered
from finished_simulation import PLACE, capped, drawn, populations, summed
from recsys.statistics.aggregates import pairs


@pytest.mark.parametrize("lift", [0.0, 0.2])
def test_intervals_hold_the_truth(lift):
    """A few hundred runs do not refute that the intervals hold it in 94 to 96 %."""
    runs = 300
    for row in covered(runs, (5_000, 5_000), 1.2, lift):
        assert scipy.stats.binom.cdf(row.count, runs, 0.96) > 0.001, row
        assert scipy.stats.binom.cdf(row.count, runs, 0.94) < 0.9995, row


def test_the_sums_are_those_of_the_users():
    """Against Python's own integers, and the cap against NumPy's percentile of values that are there."""
    rng = np.random.default_rng(11)
    people, _ = populations(rng, 2.5, 0.0)
    users = drawn(rng, people, 9_000)
    capped(users)
    sums, rows = summed(users), [[int(value) for value in row] for row in users]
    assert sums.products.keys() == pairs(*PLACE)
    for (a, b), total in sums.products.items():
        assert total == sum(row[PLACE[a]] * row[PLACE[b]] for row in rows)
    amounts = users[:, PLACE["revenue"]]
    cap = np.quantile(amounts[amounts > 0], 0.99, method="inverted_cdf")
    assert users[:, PLACE["capped"]].max() == cap < amounts.max()


@pytest.mark.parametrize("plan", planned.PLANS, ids=lambda plan: plan.metric)
def test_the_planned_sample_finds_the_effect(plan):
    """A few runs do not refute 77 % under the sequence, nor 80 % with one look."""
    rng, here, runs = np.random.default_rng(12), planned.world(plan), 60
    ships = sum(planned.verdicts(rng, here, here.units(5_000)) == "ship" for _ in range(runs))
    assert scipy.stats.binom.cdf(ships, runs, 0.77) > 0.005
    finds = sum(planned.found_at_the_end(rng, here, here.units(None)) for _ in range(runs))
    assert 0.0025 < scipy.stats.binom.cdf(finds, runs, 0.8) < 0.9975
