"""Bounds of shares with few events: against statsmodels, by hand, and simulations with a known truth."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from recsys.statistics.comparison import compare
from recsys.statistics.moments import Moments
from recsys.statistics.proportion import difference_of_proportions, proportion
from unit_moments import moments

REACH = float(scipy.stats.norm.ppf(0.975))
UNITS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=20)


def independent(events, rows):
    """Moments of units of one row each."""
    return moments([1] * events + [0] * (rows - events), [1] * rows)


@pytest.mark.parametrize(("events", "rows"), [(0, 50), (50, 50), (30, 30)])
def test_without_an_event_or_without_another_it_is_clopper_pearson(events, rows):
    """Of independent rows the bounds are those of statsmodels' exact interval."""
    found = proportion(independent(events, rows), REACH)
    oracle = proportion_confint(events, rows, alpha=0.05, method="beta")
    assert (found.low, found.high) == pytest.approx(oracle, rel=1e-9, abs=1e-12)
    assert found.effective == rows


def test_independent_rows_count_for_nearly_all_that_they_are():
    """Of units of one row each the design effect is n/(n−1), and the bounds those of the exact interval for that."""
    found = proportion(independent(40, 400), REACH)
    assert found.effective == pytest.approx(399, rel=1e-9)
    assert (found.low, found.high) == pytest.approx(proportion_confint(40, 400, method="beta"), rel=2e-3)


def test_with_many_events_it_is_the_design_effect_of_the_units():
    """Clustered rows: the effective number is p(1−p)/Var(p), up to the weight of the worst case."""
    rng = np.random.default_rng(1)
    n = np.full(4_000, 10)
    y = rng.binomial(n, rng.beta(2, 8, 4_000))
    found = proportion(moments(y, n), REACH)
    share, se = y.sum() / n.sum(), np.std(y / 10, ddof=1) / math.sqrt(4_000)
    assert found.effective == pytest.approx(share * (1 - share) / se**2, rel=0.01)
    assert (found.low, found.high) == pytest.approx((share - REACH * se, share + REACH * se), abs=0.05 * se)


@pytest.mark.parametrize("rows", [100, 1_000, 100_000])
def test_with_no_event_in_either_arm_the_bound_shrinks_like_3_over_n(rows):
    """The one-sided 95 % bound of the difference is the rule of three; the two-sided one is 3.7/n."""
    arm = Moments(units=rows, n=rows, nn=rows)
    found = difference_of_proportions(arm, arm, float(scipy.stats.norm.ppf(0.95)))
    assert found.value == 0.0
    assert found.high == -found.low == pytest.approx(3 / rows, rel=0.02)
    assert difference_of_proportions(arm, arm, REACH).high == pytest.approx(-math.log(0.025) / rows, rel=0.02)


def test_without_an_event_rows_of_one_user_are_one():
    """100 users of 1 list and one of 900: the bound is that of (ΣN)²/ΣN² rows, not of 1,000."""
    n = [1] * 100 + [900]
    found = proportion(moments([0] * 101, n), REACH)
    assert found.effective == pytest.approx(1_000**2 / (100 + 900**2))
    assert found.high > 0.9


def test_a_first_event_does_not_prove_that_events_are_independent():
    """The bound with one event, whoever has it, is not much below that with none; plain Korn-Graubard's is 6 times."""
    n = np.minimum(np.random.default_rng(2).pareto(1.3, 500) + 1, 200).astype(int)
    none = proportion(moments(np.zeros(500), n), REACH).high
    for unit in range(0, 500, 5):
        found = proportion(moments(np.arange(500) == unit, n), REACH)
        assert found.high > 0.85 * none
    assert proportion_confint(1, n.sum(), method="beta")[1] < none / 6


def test_the_difference_is_movers():
    """Of independent rows it is near Newcombe's interval of statsmodels, the same method on other bounds of a share."""
    found = difference_of_proportions(independent(30, 500), independent(50, 600), REACH)
    oracle = confint_proportions_2indep(50, 600, 30, 500, compare="diff", method="newcomb")
    assert (found.low, found.high) == pytest.approx(oracle, abs=0.004)
    (p0, l0, u0), (p1, l1, u1) = (
        (each.value, each.low, each.high)
        for each in (proportion(independent(30, 500), REACH), proportion(independent(50, 600), REACH))
    )
    assert found.value == pytest.approx(p1 - p0)
    assert found.low == pytest.approx(p1 - p0 - math.sqrt((p1 - l1) ** 2 + (u0 - p0) ** 2))
    assert found.high == pytest.approx(p1 - p0 + math.sqrt((u1 - p1) ** 2 + (p0 - l0) ** 2))


def test_with_many_events_the_difference_is_that_of_the_delta_method():
    """Thousands of events: nothing is lost to the caution for few."""
    rng = np.random.default_rng(3)
    arms = [clustered(rng, 0.2, 0.02, 20_000) for _ in range(2)]
    found, plain = difference_of_proportions(*arms, REACH), compare(*arms, scale=1)
    assert found.value == pytest.approx(plain.difference)
    assert (found.low, found.high) == pytest.approx(plain.interval(REACH), abs=0.1 * plain.se)


@given(UNITS, st.floats(0, 6), st.floats(0, 6))
def test_bounds_are_around_the_share_and_widen_with_the_reach(units, one, other):
    """Whatever the units: 0 ≤ low ≤ share ≤ high ≤ 1, and never narrower for a longer reach."""
    n = [a + b for a, b in units]
    y = [a for a, _ in units]
    near, far = (proportion(moments(y, n), reach) for reach in sorted((one, other)))
    if not sum(n):
        assert (near.value, near.low, near.high) == (None, None, None)
        return
    assert 0 <= far.low <= near.low <= near.value <= near.high <= far.high <= 1


def test_scale_is_a_unit():
    """Events in thousandths are the events."""
    y, n = [1, 0, 2, 0, 0], [3, 1, 4, 6, 2]
    fine = proportion(moments([1_000 * each for each in y], n), REACH, scale=1_000)
    assert fine.high == pytest.approx(proportion(moments(y, n), REACH).high)


def test_what_has_no_bounds_says_so_and_what_is_no_share_is_refused():
    """No rows: nothing; one user: bounds, with a word; more events than rows, or no reach: an error."""
    some = independent(1, 50)
    assert (
        difference_of_proportions(Moments(), some, REACH).note == "in the control: there is nothing to take a share of"
    )
    assert difference_of_proportions(some, Moments(), REACH).high is None
    one = proportion(moments([3], [10]), REACH)
    assert (one.value, one.effective) == (0.3, 1.0)
    assert "only 1 users" in one.note
    assert (proportion(some, math.inf).low, proportion(some, math.inf).high) == (0.0, 1.0)
    for y in (-1, 4):
        with pytest.raises(ValueError, match="a share is between 0 and 1; found"):
            proportion(moments([y], [3]), REACH)
    with pytest.raises(ValueError, match="a reach is 0 or more; found"):
        proportion(some, -1)


def clustered(rng, rate, alike, count):
    """Units of Pareto activity, each with a rate of its own around ``rate``; ``alike`` is the correlation of two rows
    of a unit: 1 means all or none."""
    n = np.minimum(rng.pareto(1.3, count) + 1, 200).astype(int)
    if alike == 1 or rate == 0:
        own = (rng.random(count) < rate).astype(float)
    else:
        own = rng.beta(rate * (1 - alike) / alike, (1 - rate) * (1 - alike) / alike, count)
    y = rng.binomial(n, own)
    return Moments(count, int(y.sum()), int(n.sum()), int(y @ y), int(y @ n), int(n @ n))


def misses(rate, alike, count, runs):
    """How often the truth is above the upper bound of a share, and above that of a difference of 0."""
    rng = np.random.default_rng([4, count])
    above = np.zeros(2)
    for _ in range(runs):
        control, candidate = (clustered(rng, rate, alike, count) for _ in range(2))
        above += proportion(candidate, REACH).high < rate, difference_of_proportions(control, candidate, REACH).high < 0
    return above / runs


@pytest.mark.parametrize("rate", [0, 0.001, 0.01, 0.1])
def test_upper_bounds_are_sound(rate):
    """At 97.5 % one-sided, users with rates of their own: the truth is above in at most 2.5 % of runs (and noise)."""
    assert max(misses(rate, 0.025, 1_000, 400)) <= 0.04


@pytest.mark.long
@pytest.mark.parametrize("rate", [0, 0.001, 0.01, 0.1])
@pytest.mark.parametrize("count", [300, 3_000, 20_000])
def test_upper_bounds_are_sound_at_length(rate, count):
    """Also of few and of many users; and of a difference where all lists of a user fail or none does."""
    assert max(misses(rate, 0.025, count, 2_000)) <= 0.0325
    assert misses(rate, 1, count, 2_000)[1] <= 0.0375
