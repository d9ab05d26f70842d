"""Paired runs: against a cluster-robust regression on the rows, exactness where they are equal, and coverage."""

import numpy as np
import pytest
import scipy.stats
import statsmodels.api
from hypothesis import given
from hypothesis import strategies as st

from recsys.statistics.paired import coarsen, paired_difference
from recsys.statistics.ratio import t_quantile


def sums(bucket, values, buckets):
    """Of rows, by bucket."""
    return np.bincount(bucket, weights=values, minlength=buckets).astype(np.int64)


def world(rng, users=400, buckets=64, lift=0.0):
    """Clicks of the same requests under two runs, which have the user's taste in common; run B lost some requests."""
    bucket = rng.integers(0, buckets, users)
    user = np.repeat(np.arange(users), np.minimum(rng.pareto(1.3, users) + 1, 50).astype(int))
    taste = rng.beta(2, 6, users)[user]
    a, b = rng.random(len(user)) < taste, rng.random(len(user)) < taste + lift
    seen = rng.random(len(user)) < 0.9
    return bucket[user], a, np.ones(len(user), int), b & seen, seen


def test_it_is_a_cluster_robust_regression_on_the_rows():
    """Run A's and run B's rows on a constant and an indicator, errors clustered by bucket, × B/(B−1)."""
    bucket, y_a, n_a, y_b, n_b = world(np.random.default_rng(1))
    found = paired_difference(*(sums(bucket, column, 64) for column in (y_a, n_a, y_b, n_b)))
    rows = np.concatenate([y_a, y_b[n_b]]).astype(float)
    second = np.concatenate([np.zeros(len(y_a)), np.ones(n_b.sum())])
    groups = np.concatenate([bucket, bucket[n_b]])
    fit = statsmodels.api.OLS(rows, np.stack([np.ones(len(rows)), second], axis=1)).fit(
        cov_type="cluster", cov_kwds={"groups": groups, "use_correction": False}
    )
    occupied = len(np.unique(bucket))
    assert found.value == pytest.approx(fit.params[1], rel=1e-9)
    assert found.se == pytest.approx(np.sqrt(fit.cov_params()[1, 1] * occupied / (occupied - 1)), rel=1e-9)
    assert (found.degrees, found.note) == (occupied - 1, "")
    assert (found.a, found.b) == pytest.approx((y_a.mean(), y_b.sum() / n_b.sum()))
    low, high = found.interval(2)
    assert (low, high) == (found.value - 2 * found.se, found.value + 2 * found.se)


def test_pairing_pays():
    """What the runs have in common is not in the error: it is smaller than that of independent runs."""
    bucket, *columns = world(np.random.default_rng(2), users=2_000)
    y_a, n_a, y_b, n_b = (sums(bucket, column, 64) for column in columns)
    order = np.random.default_rng(3).permutation(64)
    paired, apart = paired_difference(y_a, n_a, y_b, n_b), paired_difference(y_a, n_a, y_b[order], n_b[order])
    assert paired.value == apart.value
    assert paired.se < 0.7 * apart.se


big = st.lists(st.tuples(st.integers(-(2**62), 2**62), st.integers(0, 2**40)), min_size=1, max_size=20)


@given(big, st.sampled_from([1, 10**6, 2**40]))
def test_equal_sums_differ_by_exactly_nothing(rows, scale):
    """However large they are: the difference is 0 and its interval [0, 0]."""
    y, n = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    found = paired_difference(y, n, y, n, scale=scale)
    if n.sum() == 0:
        assert found.value is None
        return
    assert (found.value, found.se, found.interval(3.5)) == (0.0, 0.0, (0.0, 0.0))


def test_of_large_numbers_nothing_is_lost():
    """One unit in sums of 2⁶⁰ is a difference, with its error."""
    y, n = np.full(40, 2**60), np.full(40, 2**20)
    more = y.copy()
    more[3] += 1
    found = paired_difference(y, n, more, n)
    assert found.value == pytest.approx(1 / (40 * 2**20), rel=1e-12)
    assert found.se == pytest.approx(found.value, rel=1e-9)
    assert paired_difference(y, n, more, n, scale=2**40).value == found.value / 2**40


def test_buckets_nest():
    """Coarser buckets have the same totals and ratios; bucket b goes to b mod B."""
    bucket, *columns = world(np.random.default_rng(4), buckets=1_024)
    fine = [sums(bucket, column, 1_024) for column in columns]
    coarse = [coarsen(column, 64) for column in fine]
    assert all((a == sums(bucket % 64, column, 64)).all() for a, column in zip(coarse, columns, strict=True))
    assert paired_difference(*fine).value == paired_difference(*coarse).value
    assert coarsen(np.ones((8, 3), int), 2).tolist() == [[4, 4, 4]] * 2
    for wrong in (0, 3, 100):
        with pytest.raises(ValueError, match="do not nest"):
            coarsen(np.ones(64, int), wrong)


def test_intervals_cover():
    """95 % intervals hold the true difference of two runs on the same requests about 95 times in 100."""
    rng, held, count = np.random.default_rng(5), 0, 500
    for _ in range(count):
        bucket, *columns = world(rng, users=500, lift=0.05)
        found = paired_difference(*(sums(bucket, column, 64) for column in columns))
        held += abs(found.value - 0.05) <= t_quantile(found.degrees, 0.95) * found.se
    assert scipy.stats.binom.cdf(held, count, 0.95) > 0.005
    assert held / count < 0.98


def test_what_has_no_interval_says_why():
    """Nothing, one bucket, buckets that do not differ: no interval. Empty buckets are none."""
    zero, one, two = np.zeros(3, int), np.array([1, 0, 0]), np.array([2, 4, 0])
    nothing = paired_difference(one, one, zero, zero)
    assert (nothing.a, nothing.b, nothing.value, nothing.interval(2)) == (1.0, None, None, None)
    alone = paired_difference(one, one, zero, one)
    assert (alone.value, alone.se, alone.note[:10]) == (-1.0, None, "one bucket")
    assert paired_difference(one, one, one, one).interval(2) == (0.0, 0.0)
    still = paired_difference(two, two, two // 2, two)
    assert (still.value, still.interval(2), still.note[:20]) == (-0.5, None, "buckets do not diffe")
    assert paired_difference(zero, two, zero, two[::-1]).note.startswith("buckets do not differ")
    rough = paired_difference(two, np.array([3, 5, 0]), two // 2, two)
    assert (rough.degrees, rough.note) == (1, "only 2 occupied buckets: the interval is rough")
    with pytest.raises(ValueError, match="same buckets; found 3, 3, 3, 2"):
        paired_difference(zero, zero, zero, zero[:2])
