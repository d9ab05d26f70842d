"""CUPED: against tea-tasting, numpy on the rows, a regression, and simulations with a known truth."""

import numpy as np
import pyarrow
import pytest
import scipy.stats
import statsmodels.api
import tea_tasting

from recsys.statistics.aggregates import Aggregates, pairs
from recsys.statistics.cuped import cuped, needs
from recsys.statistics.sequential import fixed_reach


def sums(columns, products=None):
    """Aggregates of columns written out, one value a unit, all whole numbers."""
    columns = {name: np.asarray(values, dtype=np.int64) for name, values in columns.items()}
    wanted = pairs(*columns) if products is None else products
    return Aggregates(
        units=len(next(iter(columns.values()))),
        totals={name: int(values.sum()) for name, values in columns.items()},
        products={(a, b): int(columns[a] @ columns[b]) for a, b in wanted},
    )


def visitors(rng, count, lift, missing=0.0):
    """Units with a rate of their own, seen before (x of d) and after (y of n); some have no past."""
    rate = rng.beta(2, 8, count)
    n, d = (np.minimum(rng.pareto(1.3, count) + 1, 200).astype(int) for _ in range(2))
    h = (rng.random(count) >= missing).astype(int)
    y = rng.binomial(n, np.minimum(rate * lift * (0.7 + 0.3 * h), 1))
    return {"y": y, "n": n, "x": rng.binomial(d, rate) * h, "d": d * h, "h": h}


COLUMNS = [("y", None, "x", None), ("y", "n", "x", "d"), ("y", "n", "x", None)]


@pytest.mark.parametrize("columns", COLUMNS, ids=["Mean", "RatioOfMeans", "ratio by a mean"])
@pytest.mark.parametrize("sizes", [(300, 300), (60, 2_000)])
def test_where_all_have_a_past_it_is_tea_tasting(columns, sizes):
    """Levels, difference, interval and p are those of tea-tasting with the same covariate."""
    rng = np.random.default_rng(1)
    arms = [visitors(rng, count, lift) for count, lift in zip(sizes, (1, 1.3), strict=True)]
    joined = {name: np.concatenate([arm[name] for arm in arms]) for name in arms[0]}
    table = pyarrow.table({**joined, "arm": np.repeat([0, 1], sizes)})
    oracle = tea_tasting.RatioOfMeans(*columns).analyze(table, 0, 1, "arm")
    found = cuped(*map(sums, arms), *columns, scale=1).adjusted
    interval = found.interval(fixed_reach(found.degrees, 0.95))
    assert (found.control.value, found.candidate.value) == pytest.approx((oracle.control, oracle.treatment), rel=1e-9)
    assert (found.difference, found.p) == pytest.approx((oracle.effect_size, oracle.pvalue), rel=1e-9)
    assert interval == pytest.approx((oracle.effect_size_ci_lower, oracle.effect_size_ci_upper), rel=1e-9)


def by_rows(arms, columns):
    """θ, difference and error of the definition, with numpy on the rows; an indicator beside the covariate."""
    y, n, x, d, h = columns

    def both(name):
        return np.concatenate([arm[name] for arm in arms]).astype(float)

    def residual(above, below):
        return (above - above.sum() / below.sum() * below) / below.mean()

    regressors = np.stack([residual(both(x), both(d)), both(h) - both(h).mean()])
    theta = np.linalg.lstsq(regressors.T, residual(both(y), both(n)), rcond=None)[0]
    levels, variances = [], []
    for arm in arms:
        above = residual(arm[y], arm[n]) - theta @ np.stack([residual(arm[x], arm[d]), arm[h] - arm[h].mean()])
        variances.append(above.var(ddof=1) / len(above))
        levels.append(arm[y].sum() / arm[n].sum() - theta @ [arm[x].sum() / arm[d].sum(), arm[h].mean()])
    return theta, levels[1] - levels[0], np.sqrt(sum(variances))


def test_where_some_have_none_it_is_the_definition_on_the_rows():
    """With an indicator of who has a past, θ, difference and error are those that numpy finds."""
    rng = np.random.default_rng(2)
    arms = [visitors(rng, 400, 1, missing=0.4), visitors(rng, 700, 1.2, missing=0.4)]
    theta, difference, se = by_rows(arms, "ynxdh")
    found = cuped(*map(sums, arms), *"ynxdh", scale=1)
    assert list(found.theta.values()) == pytest.approx(list(theta), rel=1e-9)
    assert (found.adjusted.difference, found.adjusted.se) == pytest.approx((difference, se), rel=1e-9)
    assert found.missing == tuple(int((1 - arm["h"]).sum()) for arm in arms)
    assert found.variance_reduction == pytest.approx(1 - (se / found.unadjusted.se) ** 2, rel=1e-9)


def test_it_is_near_a_regression_with_an_indicator():
    """Of means, the regression of y on arm, covariate (its mean where missing) and indicator says almost the same."""
    rng = np.random.default_rng(3)
    arms = [visitors(rng, 3_000, lift, missing=0.3) for lift in (1, 1.1)]
    y, x, h = (np.concatenate([arm[name] for arm in arms]).astype(float) for name in "yxh")
    filled = np.where(h == 1, x, x.sum() / h.sum())
    design = np.stack([np.ones_like(y), np.repeat([0.0, 1.0], 3_000), filled, h], axis=1)
    fit = statsmodels.api.OLS(y, design).fit(cov_type="HC1")
    found = cuped(*map(sums, arms), "y", None, "x", None, "h", scale=1).adjusted
    assert found.difference == pytest.approx(fit.params[1], abs=0.02 * fit.bse[1])
    assert found.se == pytest.approx(fit.bse[1], rel=0.01)


def test_the_balance_of_the_covariate_is_welchs_test():
    """Between the arms, of those who have a past; a covariate that the assignment hangs on is told."""
    rng = np.random.default_rng(4)
    arms = [visitors(rng, 500, 1), visitors(rng, 500, 1)]
    found = cuped(*map(sums, arms), "y", None, "x", scale=1).balance
    oracle = scipy.stats.ttest_ind(arms[1]["x"], arms[0]["x"], equal_var=False)
    assert (found.difference / found.se, found.p) == pytest.approx((oracle.statistic, oracle.pvalue), rel=1e-9)
    arms[1]["x"] = arms[1]["x"] + 1
    assert cuped(*map(sums, arms), "y", None, "x", scale=1).balance.p < 0.001


def test_scales_are_units():
    """Amounts in millionths and a covariate in thousandths give the figures of the amounts."""
    rng = np.random.default_rng(5)
    arms = [visitors(rng, 200, 1, missing=0.2) for _ in range(2)]
    fine = [{**arm, "y": arm["y"] * 1_000_000, "x": arm["x"] * 1_000} for arm in arms]
    plain = cuped(*map(sums, arms), *"ynxdh", scale=1)
    found = cuped(*map(sums, fine), *"ynxdh", scale=1_000_000, covariate_scale=1_000)
    assert found.theta == pytest.approx(plain.theta)
    assert found.balance.se == pytest.approx(plain.balance.se)
    for one, other in ((found.adjusted, plain.adjusted), (found.unadjusted, plain.unadjusted)):
        assert (one.difference, one.se, *one.joint) == pytest.approx((other.difference, other.se, *other.joint))


def test_it_reads_the_products_that_it_says():
    """Nothing else is needed of the aggregates."""
    rng = np.random.default_rng(6)
    arm = visitors(rng, 50, 1, missing=0.3)
    for columns in [*COLUMNS, tuple("ynxdh"), ("y", None, "x", None, "h")]:
        kept = {name: arm[name] for name in columns if name}
        assert cuped(*[sums(kept, needs(*columns))] * 2, *columns, scale=1).adjusted.difference == 0


def unused(found, note):
    """Whether the effect is the unadjusted one, and why is said."""
    return found.adjusted == found.unadjusted and not found.theta and note in found.note


def test_what_cannot_be_adjusted_is_not_and_says_so():
    """No variance, no covariate in an arm, no unit: the unadjusted effect with a word."""
    rng = np.random.default_rng(7)
    arm, other = visitors(rng, 60, 1, missing=0.3), visitors(rng, 60, 1, missing=1)
    flat = {**arm, "x": np.full(60, 3)}
    found = cuped(sums(flat), sums(flat), "y", "n", "x", scale=1)
    assert unused(found, "does not vary")
    assert (found.variance_reduction, found.balance.p) == (0.0, None)
    assert unused(cuped(sums(arm), sums(other), *"ynxdh", scale=1), "an arm has no unit with a covariate")
    assert unused(cuped(sums(other), sums(other), *"ynxdh", scale=1), "an arm has no unit with a covariate")
    nothing = cuped(sums({name: [] for name in arm}), sums(arm), *"ynxdh", scale=1)
    assert unused(nothing, "nothing to take a mean of")
    assert (nothing.adjusted.difference, nothing.variance_reduction) == (None, None)
    assert unused(cuped(sums({name: arm[name][:1] for name in arm}), sums(arm), *"ynxdh", scale=1), "one user")


def test_where_the_covariate_does_not_vary_who_has_one_may():
    """The indicator adjusts alone, and the note says so."""
    rng = np.random.default_rng(8)
    arm, other = ({**each, "x": 4 * each["h"]} for each in (visitors(rng, 60, 1, missing=0.3) for _ in range(2)))
    found = cuped(sums(arm), sums(other), "y", None, "x", None, "h", scale=1)
    assert list(found.theta) == ["has_covariate"]
    assert "adjusted by who has one" in found.note
    assert found.adjusted.se != found.unadjusted.se


def test_columns_that_are_not_what_they_should_be_are_refused():
    """An indicator of other values, and a covariate where there should be none."""
    rng = np.random.default_rng(9)
    arm, full = (sums(visitors(rng, 60, 1, missing)) for missing in (0.3, 0.0))
    with pytest.raises(ValueError, match="column 'd' must be 0 or 1 in every unit"):
        cuped(arm, arm, "y", "n", "x", None, "d", scale=1)
    with pytest.raises(ValueError, match="column 'n' must be 0 where 'h' is; it sums to"):
        cuped(full, arm, "y", "n", "x", "n", "h", scale=1)


def coverage(runs, count, missing, lift):
    """How often 95 % intervals hold a true difference and a true relative effect of clicks per unit, of which most can
    be told from the past; the mean error, in standard errors; and the mean variance reduction."""
    rng, held, off, saved = np.random.default_rng(10), np.zeros(2), 0.0, 0.0
    for _ in range(runs):
        arms = []
        for factor in (1, lift):
            rate = rng.gamma(2, 20, count)
            h = (rng.random(count) >= missing).astype(int)
            arms.append(sums({"y": rng.poisson(rate * factor), "x": rng.poisson(rate) * h, "h": h}))
        found = cuped(*arms, "y", None, "x", None, "h", scale=1)
        reach = fixed_reach(found.adjusted.degrees, 0.95)
        low, high = found.adjusted.interval(reach)
        relative = found.adjusted.relative(reach)
        held += low <= 40 * (lift - 1) <= high, relative.low <= lift - 1 <= relative.high
        off += (found.adjusted.difference - 40 * (lift - 1)) / found.adjusted.se / runs
        saved += found.variance_reduction / runs
    return *(held / runs), off, saved


@pytest.mark.parametrize(("missing", "lift", "least"), [(0.0, 1.5, 0.8), (0.4, 1.0, 0.4)])
def test_adjusted_intervals_hold_the_truth(missing, lift, least):
    """Of the difference and of what is relative, also with a large effect, which moves both levels together."""
    absolute, relative, off, saved = coverage(600, 300, missing, lift)
    assert 0.93 <= absolute <= 0.97
    assert 0.93 <= relative <= 0.97
    assert abs(off) < 0.15
    assert saved > least


@pytest.mark.long
@pytest.mark.parametrize(("missing", "lift"), [(0.0, 1.0), (0.0, 1.5), (0.4, 1.0), (0.4, 1.5)])
def test_adjusted_intervals_hold_the_truth_at_length(missing, lift):
    """8,000 experiments: 95 % within a point; without an effect no bias, with one of 30 errors or more the 1/n of it
    that a θ of both arms together takes away."""
    absolute, relative, off, _ = coverage(8_000, 300, missing, lift)
    assert (absolute, relative) == pytest.approx((0.95, 0.95), abs=0.01)
    assert abs(off) < (0.03 if lift == 1 else 0.15)
