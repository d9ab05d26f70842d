"""Two arms side by side: against scipy, tea-tasting, statsmodels, and Fieller's sets counted out on the rows."""

import math

import numpy as np
import pyarrow
import pytest
import scipy.stats
import statsmodels.api
import tea_tasting
from hypothesis import given
from hypothesis import strategies as st

from recsys.statistics.comparison import compare
from recsys.statistics.moments import Moments
from recsys.statistics.sequential import fixed_reach
from unit_moments import moments, people

ARMS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 30)), min_size=3, max_size=25)


def means(control, candidate):
    """A comparison of the means of two lists of numbers."""
    return compare(*(moments(arm, [1] * len(arm)) for arm in (control, candidate)), scale=1)


def by_tea_tasting(control, candidate, *names):
    """What tea-tasting says of two arms, each (y, n)."""
    arms = [np.zeros(len(control[0]), int), np.ones(len(candidate[0]), int)]
    columns = {"y": np.concatenate([control[0], candidate[0]]), "n": np.concatenate([control[1], candidate[1]])}
    table = pyarrow.table({**columns, "arm": np.concatenate(arms)})
    metric = tea_tasting.RatioOfMeans(*names) if len(names) > 1 else tea_tasting.Mean(*names)
    return metric.analyze(table, 0, 1, "arm")


@pytest.mark.parametrize("sizes", [(40, 40), (15, 400)])
def test_of_means_it_is_welchs_test(sizes):
    """Difference, p, degrees and interval are those of scipy's t test with unequal variances."""
    rng = np.random.default_rng(5)
    control, candidate = rng.poisson(3, sizes[0]), rng.poisson(4, sizes[1])
    found, oracle = means(control, candidate), scipy.stats.ttest_ind(candidate, control, equal_var=False)
    interval = oracle.confidence_interval(0.9)
    assert (found.degrees, found.p) == pytest.approx((oracle.df, oracle.pvalue), rel=1e-9)
    assert found.interval(fixed_reach(found.degrees, 0.9)) == pytest.approx((interval.low, interval.high), rel=1e-9)


@pytest.mark.parametrize("names", [("y",), ("y", "n")], ids=["Mean", "RatioOfMeans"])
@pytest.mark.parametrize("sizes", [(60, 60), (30, 900)])
def test_of_ratios_it_is_tea_tasting(names, sizes):
    """Levels, difference, interval and p of means and of ratios of means are those of tea-tasting."""
    rng = np.random.default_rng(7)
    arms = [people(rng, count, rate) for count, rate in zip(sizes, (0.2, 0.25), strict=True)]
    oracle = by_tea_tasting(*arms, *names)
    divided = [(y, n if len(names) > 1 else np.ones_like(n)) for y, n in arms]
    found = compare(*(moments(*arm) for arm in divided), scale=1)
    interval = found.interval(fixed_reach(found.degrees, 0.95))
    assert (found.control.value, found.candidate.value) == pytest.approx((oracle.control, oracle.treatment), rel=1e-9)
    assert (found.difference, found.p) == pytest.approx((oracle.effect_size, oracle.pvalue), rel=1e-9)
    assert interval == pytest.approx((oracle.effect_size_ci_lower, oracle.effect_size_ci_upper), rel=1e-9)
    assert found.difference / found.se == pytest.approx(oracle.statistic, rel=1e-9)


def test_of_rows_it_is_a_cluster_robust_regression():
    """One regression of all rows on the arm, clustered by unit: its slope and error, × n/(n−1) for n units an arm."""
    rng, count = np.random.default_rng(8), 300
    arms = [people(rng, count, rate) for rate in (0.1, 0.13)]
    y, n = (np.concatenate(columns) for columns in zip(*arms, strict=True))
    unit = np.repeat(np.arange(2 * count), n)
    clicked = np.concatenate([np.arange(size) < clicks for clicks, size in zip(y, n, strict=True)]).astype(float)
    design = statsmodels.api.add_constant((unit >= count).astype(float))
    kept = {"groups": unit, "use_correction": False}
    fit = statsmodels.api.OLS(clicked, design).fit(cov_type="cluster", cov_kwds=kept)
    found = compare(*(moments(*arm) for arm in arms), scale=1)
    assert found.difference == pytest.approx(fit.params[1], rel=1e-9)
    assert found.se**2 == pytest.approx(fit.cov_params()[1, 1] * count / (count - 1), rel=1e-9)


def on_rows(arm):
    """R and Var(R) of (y, n), with numpy."""
    y, n = np.asarray(arm[0], float), np.asarray(arm[1], float)
    error = y - y.sum() / n.sum() * n
    return y.sum() / n.sum(), (error**2).sum() / ((len(y) - 1) * len(y) * n.mean() ** 2)


@given(ARMS, ARMS, st.floats(0.1, 4))
def test_fiellers_set_is_the_ratios_that_are_not_rejected(control, candidate, reach):
    """Both ends are as many standard errors from the data as the reach, all between is nearer; and a set that has no
    bound is one of which no far ratio is rejected."""
    (before, v0), (after, v1) = (on_rows(list(zip(*arm, strict=True))) for arm in (control, candidate))
    found = compare(*(moments(*zip(*arm, strict=True)) for arm in (control, candidate)), scale=1)
    relative = found.relative(reach)

    def distance(ratio):
        return abs(after - ratio * before) / math.sqrt(v1 + ratio**2 * v0)

    if before == 0 or found.se is None:
        assert relative.low is None
        return
    assert relative.value == pytest.approx(after / before - 1, abs=1e-9)
    if v1 < 1e-20 or v0 < 1e-20:  # nothing varies but for rounding
        return
    if not relative.bounded:
        assert max(distance(1e9), distance(-1e9)) <= reach * (1 + 1e-6)
        assert relative.note.startswith("unbounded: ")
        return
    assert [distance(1 + end) for end in (relative.low, relative.high)] == pytest.approx([reach, reach], rel=1e-6)
    assert relative.low <= relative.value <= relative.high
    inside = np.linspace(1 + relative.low, 1 + relative.high, 9)[1:-1]
    assert max(map(distance, inside)) < reach * (1 + 1e-9)


def test_a_relative_interval_covers_the_truth():
    """With a true effect of +60 % and a control that is 4 to 5 errors from 0, 95 % sets hold it 95 times in 100."""
    rng, trials, held = np.random.default_rng(9), 4_000, 0
    for _ in range(trials):
        found = means(rng.poisson(0.1, 200), rng.poisson(0.16, 200))
        relative = found.relative(fixed_reach(found.degrees, 0.95))
        held += not relative.bounded or relative.low <= 0.6 <= relative.high
    assert 0.94 <= held / trials <= 0.965


def test_what_has_no_interval_says_why():
    """Nothing, one unit, no variance: never a figure that was made up, always a word."""
    some = moments([1, 0, 2], [3, 1, 4])
    nothing, one = compare(Moments(), some), compare(moments([1], [2]), some)
    still = compare(moments([1, 1], [2, 2]), moments([3, 3], [4, 4]), scale=1)
    for found in (nothing, one, still):
        assert (found.se, found.degrees, found.p, found.interval(2)) == (None, None, None, None)
        assert found.note == found.relative(2).note != ""
        assert found.relative(2).low is None
    assert (nothing.difference, nothing.control.value, nothing.relative(2).value) == (None, None, None)
    assert (still.difference, still.relative(2).value) == (0.25, 0.5)
    assert one.control.variance_per_unit is None


def test_one_arm_without_variance_leaves_that_of_the_other():
    """The degrees of freedom are the other arm's, too, and both intervals are given with a word."""
    still, some = [1] * 50, [1, 0, 2, 4]
    found = means(still, some)
    assert found.se == pytest.approx(np.std(some, ddof=1) / 2, rel=1e-12)
    assert (found.degrees, found.p) == pytest.approx((3, scipy.stats.ttest_1samp(some, 1).pvalue), rel=1e-9)
    assert found.relative(2).high == pytest.approx(found.interval(2)[1], rel=1e-12)
    assert found.note.startswith(
        "in an arm users do not differ: the error is that of the other arm alone; only 4 users"
    )


def test_a_control_that_is_not_above_0_has_no_relative_effect():
    """Nor has one of refunds; the absolute effect stays."""
    for level in (0, -3):
        found = means([level - 1, level, level + 1], [1, 2, 3])
        assert (found.relative(1).value, found.relative(1).low) == (None, None)
        assert "not above 0" in found.relative(1).note
        assert found.interval(1) is not None


def test_reaches_at_the_ends():
    """0 is a point, infinity is everything, and what is no reach is refused."""
    found = means([1, 2, 4], [2, 3, 4])
    assert found.interval(0) == (found.difference, found.difference)
    assert found.interval(math.inf) == (-math.inf, math.inf)
    assert found.relative(0).low == pytest.approx(found.relative(0).value, rel=1e-12)
    assert not found.relative(math.inf).bounded
    for wrong in (-1, math.nan):
        for interval in (found.interval, found.relative):
            with pytest.raises(ValueError, match="a reach is 0 or more; found"):
                interval(wrong)


def test_identical_arms_differ_by_0_exactly():
    """Whatever the sums: no rounding error stands between equal arms."""
    arm = moments([1, 3, 3, 7], [3, 7, 11, 13])
    found = compare(arm, arm)
    assert (found.difference, found.p, found.relative(2).value) == (0.0, 1.0, 0.0)
