"""The bootstrap: its weights against scipy's Poisson, its errors against the delta method, and its coverage."""

import numpy as np
import pytest
import scipy.stats

from latency_bins import bins_of
from recsys.statistics.bootstrap import quantile_difference, quantile_level, ratios, replicates
from recsys.statistics.histogram import LOWEST, Histogram, histogram
from recsys.statistics.ratio import t_quantile

EMPTY = histogram([], 8)


def test_weights_are_poisson():
    """Mean, variance, and the frequency of each weight are those of a Poisson distribution with mean 1."""
    weights = replicates(5, 1_000, 2_000)
    assert weights.shape == (2_000, 1_000)
    assert weights.mean() == pytest.approx(1, abs=0.004)
    assert weights.var() == pytest.approx(1, abs=0.006)
    seen = np.bincount(np.minimum(weights, 7).astype(int).ravel(), minlength=8)
    expected = np.append(scipy.stats.poisson.pmf(range(7), 1), scipy.stats.poisson.sf(6, 1)) * weights.size
    assert scipy.stats.chisquare(seen, expected).pvalue > 0.001
    shared = np.corrcoef(weights[:200])[np.triu_indices(200, 1)]
    assert np.abs(shared).max() < 5 / np.sqrt(1_000)


def test_weights_come_of_the_seed():
    """The same seed gives the same weights, whatever their number; another seed others."""
    assert (replicates(5, 13, 7) == replicates(5, 13, 7)).all()
    assert (replicates(5, 13, 7) == replicates(5, 13, 9)[:7]).all()
    assert (replicates(5, 13, 7) != replicates(6, 13, 7)).any()
    assert replicates(5, 4, 2).tolist() == [[2, 1, 1, 2], [1, 0, 0, 2]]


def test_of_ratios_the_error_is_that_of_the_delta_method():
    """Ten ratios of one matrix product: the spread of the replicates is the linearised error, within its own noise."""
    rng = np.random.default_rng(2)
    n = rng.poisson(30, (1_000, 10))
    y = rng.binomial(n, rng.beta(2, 8, (1_000, 10)))
    drawn = ratios(y, n, replicates(3, 1_000, 4_000))
    found = y.sum(axis=0) / n.sum(axis=0)
    residual = y - found * n
    delta = np.sqrt((residual**2).sum(axis=0)) / n.sum(axis=0)
    assert drawn.std(axis=0, ddof=1) == pytest.approx(delta, rel=0.06)
    assert drawn.mean(axis=0) == pytest.approx(found, rel=0.01)
    one = replicates(3, 1_000, 4_000)[17]
    assert drawn[17] == pytest.approx((one @ y) / (one @ n))
    assert np.isnan(ratios(y[:, :1], n[:, :1] * 0, replicates(3, 1_000, 5))).all()


def arm(rng, users, slower=1.0, buckets=256):
    """Latencies of users that differ from each other, as a histogram by bucket. Each user's lists are as many as its
    activity, which says nothing of its latency: the marginal distribution is log-normal."""
    lists = np.minimum(rng.pareto(1.3, users) + 1, 40).astype(int)
    user = np.repeat(np.arange(users), lists)
    latency = np.exp(4 + rng.normal(0, 0.5, users)[user] + rng.normal(0, 0.6, len(user))) * slower
    bucket = rng.integers(0, buckets, users)[user]
    return histogram(np.stack([bucket, bins_of(latency), np.ones(len(user), int)], axis=1), buckets), latency


def p95(slower=1.0):
    """The truth."""
    return slower * np.exp(4 + scipy.stats.norm.ppf(0.95) * np.hypot(0.5, 0.6))


def covered(seed, runs, users):
    """Shares of runs in which the intervals of the difference and of the ratio hold the truth."""
    rng, held = np.random.default_rng(seed), np.zeros(2)
    for run in range(runs):
        found = quantile_difference(arm(rng, users)[0], arm(rng, users, 1.1)[0], 0.95, seed=run, count=200)
        reach = t_quantile(found.degrees, 0.95)
        held += (
            abs(found.value - (p95(1.1) - p95())) <= reach * found.se,
            abs(found.ratio - 0.1) <= reach * found.se_ratio,
        )
    return held / runs


def test_intervals_of_a_p95_cover_the_truth_short():
    """A few experiments on latencies that cluster by user do not refute 95 %."""
    assert (scipy.stats.binom.cdf(covered(11, 100, 1_500) * 100, 100, 0.95) > 0.005).all()


@pytest.mark.long
def test_intervals_of_a_p95_cover_the_truth():
    """Difference and ratio of p95 are within their 95 % intervals in 93.5 to 97 % of experiments."""
    rates = covered(12, 2_000, 2_000)
    print(
        f"\nthe interval of a p95's difference holds it in {rates[0]:.2%}, of its ratio in {rates[1]:.2%} of 2,000 runs"
    )
    assert ((rates > 0.935) & (rates < 0.97)).all()


def test_the_values_are_numpys_on_the_rows():
    """Quantiles and their difference within a bin of NumPy's; the error about that of users drawn anew."""
    rng = np.random.default_rng(8)
    (control, rows), (candidate, others) = arm(rng, 3_000), arm(rng, 3_000, 1.3)
    found = quantile_difference(control, candidate, 0.95, seed=1)
    before, after = np.quantile(rows, 0.95), np.quantile(others, 0.95)
    assert (found.control, found.candidate) == pytest.approx((before, after), rel=0.011)
    assert found.value == pytest.approx(after - before, abs=0.011 * (before + after))
    assert found.ratio == found.candidate / found.control - 1
    assert found.degrees == 255
    truth = np.std([np.quantile(arm(rng, 3_000)[1], 0.95) for _ in range(300)])
    assert found.se == pytest.approx(truth * np.hypot(1, 1.3), rel=0.25)
    assert found == quantile_difference(control, candidate, 0.95, seed=1)
    assert found.se != quantile_difference(control, candidate, 0.95, seed=2).se


def test_what_has_no_error_says_why():
    """Nothing, one bucket, latencies that are all the same: no error, and a word on it; few buckets: a rough one."""
    some = histogram([(0, 300, 4), (1, 310, 5), (2, 305, 2)], 8)
    assert quantile_difference(EMPTY, some, 0.95, seed=1).value is None
    assert "an arm has nothing" in quantile_difference(some, EMPTY, 0.95, seed=1).note
    alone = quantile_difference(some, histogram([(3, 300, 9)], 8), 0.95, seed=1)
    assert (alone.se, alone.degrees, alone.note[:21]) == (None, 0, "an arm has one bucket")
    same = histogram([(0, 300, 4), (1, 300, 5), (2, 300, 2)], 8)
    still = quantile_difference(same, same, 0.95, seed=1)
    assert (still.value, still.ratio, still.se, still.note[:22]) == (0.0, 0.0, None, "buckets do not differ:")
    rough = quantile_difference(some, same, 0.5, seed=1)
    assert rough.se > 0
    assert "only 3 occupied buckets" in rough.note
    apart = histogram([(0, -600, 1), (1, 900, 1)], 8)
    assert quantile_difference(apart, apart, 0.5, seed=1).se_ratio > 0
    assert "too few replicates" in quantile_difference(apart, apart, 0.5, seed=1, count=1).note
    zero = Histogram(np.array([LOWEST]), np.array([[3], [4]]))
    assert quantile_difference(zero, zero, 0.5, seed=1).note.startswith("buckets do not differ")


def test_the_error_of_one_arm():
    """Two equal arms differ with √2 times the error of one; of nothing, and of one bucket, there is none."""
    seen, _ = arm(np.random.default_rng(8), 4_000)
    alone, both = quantile_level(seen, 0.95, seed=1), quantile_difference(seen, seen, 0.95, seed=1)
    assert alone.value == both.control
    assert alone.se == pytest.approx(both.se / np.sqrt(2), rel=0.1)
    assert quantile_level(EMPTY, 0.95, seed=1).value is None
    assert "one bucket" in quantile_level(histogram([(0, 5, 3)], 8), 0.5, seed=1).note
    assert "too few replicates" in quantile_level(seen, 0.95, seed=1, count=1).note
    assert "do not differ" in quantile_level(histogram([(0, 5, 3), (1, 5, 3)], 8), 0.5, seed=1).note
