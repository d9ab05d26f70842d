"""Differences of ratios between two arms: against Welch's test, cluster-robust regressions, and a known truth."""

import numpy as np
import pytest
import scipy.stats
import statsmodels.api

from recsys.statistics.difference import difference
from recsys.statistics.moments import Moments
from unit_moments import moments, people


@pytest.mark.parametrize("sizes", [(40, 40), (15, 400)])
def test_of_means_it_is_welchs_test(sizes):
    """Where each unit counts once, value, error and interval are those of scipy's t test with unequal variances."""
    rng = np.random.default_rng(5)
    control, candidate = rng.poisson(3, sizes[0]), rng.poisson(5, sizes[1]) * 2
    found = difference(moments(control, [1] * sizes[0]), moments(candidate, [1] * sizes[1]), scale=1)
    oracle = scipy.stats.ttest_ind(candidate, control, equal_var=False)
    interval = oracle.confidence_interval(0.95)
    assert found.value == pytest.approx(candidate.mean() - control.mean(), rel=1e-12)
    assert found.value / found.se == pytest.approx(oracle.statistic, rel=1e-12)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-9)


def clustered(y, n):
    """Mean and variance over rows with errors clustered by unit, corrected for the number of units."""
    rows = np.repeat(np.arange(len(n)), n)
    first = np.concatenate([[0], np.cumsum(n)[:-1]])
    values = np.zeros(len(rows))
    values[first] = y  # only the sum over a unit matters
    fit = statsmodels.api.OLS(values, np.ones(len(rows))).fit(
        cov_type="cluster", cov_kwds={"groups": rows, "use_correction": False}
    )
    return fit.params[0], fit.cov_params()[0, 0] * len(n) / (len(n) - 1)


def test_of_ratios_it_is_a_cluster_robust_regression():
    """Value and error equal those of regressions on the rows, clustered by unit, one for each arm."""
    rng = np.random.default_rng(6)
    arms = [people(rng, count, rate) for count, rate in ((300, 0.1), (500, 0.12))]
    (low, low_variance), (high, high_variance) = (clustered(*arm) for arm in arms)
    found = difference(*(moments(*arm) for arm in arms), scale=1)
    assert found.value == pytest.approx(high - low, rel=1e-9)
    assert found.se == pytest.approx(np.sqrt(low_variance + high_variance), rel=1e-9)


def test_what_has_no_interval_says_why():
    """Nothing, one unit, and units that differ in neither arm: no interval, and a word on the arm."""
    some = moments([1, 0, 2], [3, 1, 4])
    assert difference(Moments(), some).value is None
    assert "an arm has nothing" in difference(some, Moments()).note
    assert "in an arm: one user" in difference(moments([1], [2]), some).note
    still = difference(moments([3, 3], [8, 8]), moments([1, 1], [2, 2]), scale=1)
    assert (still.value, still.low) == (0.5 - 3 / 8, None)
    assert "in both arms: users do not differ" in still.note
    assert "only 3 users in an arm" in difference(some, some).note


def test_where_one_arm_does_not_vary_the_other_does():
    """Users that do not differ in one arm leave the error of the other, and its degrees of freedom."""
    some, still = moments([1, 0, 2, 1], [1, 1, 1, 1]), moments([1] * 40, [1] * 40)
    found = difference(some, still, scale=1)
    oracle = scipy.stats.ttest_1samp([1, 0, 2, 1], 1).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((1 - oracle.high, 1 - oracle.low), abs=1e-12)
    assert "in an arm users do not differ" in found.note


def test_a_scale_is_a_unit():
    """Amounts in millionths give the figures of the amounts."""
    plain = difference(moments([1, 5, 2], [1, 2, 2]), moments([7, 1, 2], [1, 3, 2]), scale=1)
    fine = difference(
        moments([1_000_000, 5_000_000, 2_000_000], [1, 2, 2]), moments([7_000_000, 1_000_000, 2_000_000], [1, 3, 2]),
        scale=1_000_000,
    )  # fmt: skip
    assert (fine.value, fine.se, fine.low, fine.high) == pytest.approx((plain.value, plain.se, plain.low, plain.high))
    assert difference(moments([1, 5], [1, 1]), moments([2, 7], [1, 1]), level=0.5, scale=1).high < (
        difference(moments([1, 5], [1, 1]), moments([2, 7], [1, 1]), level=0.9, scale=1).high
    )


def test_the_interval_covers_the_truth():
    """95 % intervals of arms of unequal size, with equal true rates, hold 0 about 95 times in 100."""
    rng = np.random.default_rng(12)
    trials, held = 600, 0
    for _ in range(trials):
        found = difference(moments(*people(rng, 1_500, 0.1)), moments(*people(rng, 3_000, 0.1)), scale=1)
        held += found.low <= 0 <= found.high
    assert 0.93 <= held / trials <= 0.97
