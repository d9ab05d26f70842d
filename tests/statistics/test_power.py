"""Power and sample sizes: against statsmodels and tea-tasting, by search, and simulated under the sequence."""

import math

import numpy as np
import pyarrow
import pytest
import scipy.stats
import tea_tasting
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.power import NormalIndPower, TTestIndPower, tt_ind_solve_power

from recsys.statistics.comparison import compare
from recsys.statistics.power import MOST_UNITS, minimum_effect, power_of, units_needed
from recsys.statistics.sequential import reach
from unit_moments import moments

EFFECTS = [0.8, 0.1, -0.03]


@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize("power", [0.8, 0.95])
def test_equal_arms_are_those_of_statsmodels(effect, power):
    """Power, sample size and the smallest effect of a t test of equal arms and variances, to 1e-6."""
    per_arm = tt_ind_solve_power(abs(effect), alpha=0.05, power=power)
    needed = units_needed(effect, 1.0, 1.0, power=power)
    assert needed == math.ceil(2 * per_arm - 1e-6)
    units = needed / 2
    oracle = TTestIndPower().power(abs(effect), units, 0.05)
    assert power_of(effect, 1.0, 1.0, units, units) == pytest.approx(oracle, abs=1e-6)
    smallest = minimum_effect(1.0, 1.0, units, units, power=power)
    assert TTestIndPower().power(smallest, units, 0.05) == pytest.approx(power, abs=1e-6)
    assert smallest == pytest.approx(tt_ind_solve_power(nobs1=units, alpha=0.05, power=power), rel=1e-4)


def test_many_units_are_the_normal_test():
    """At a million units t is normal: statsmodels' other formula, with unequal arms."""
    oracle = NormalIndPower().power(0.004, 250_000, 0.1, ratio=3)
    assert power_of(0.004, 1.0, 1.0, 250_000, 750_000, level=0.9) == pytest.approx(oracle, abs=1e-5)


@pytest.mark.parametrize("ratio", [1, 0.25, 3])
def test_shares_are_those_of_tea_tasting(ratio):
    """With arms of other sizes: tea-tasting finds the power at the units needed, lacks it with one fewer, and has the
    same smallest effect."""
    y = np.random.default_rng(1).poisson(4, 500)
    table, share = pyarrow.table({"y": y}), ratio / (1 + ratio)
    variance, effect = float(np.var(y, ddof=1)), 0.03 * y.mean()
    needed = units_needed(effect, variance, variance, share_candidate=share, power=0.9)
    metric = tea_tasting.Mean("y", effect_size=effect, ratio=ratio, n_obs=(needed - 1, needed, 4_000))
    fewer, enough, other = (result.power for result in metric.solve_power(table, "power"))
    assert fewer < 0.9 <= enough
    arms = 4_000 * (1 - share), 4_000 * share
    assert power_of(effect, variance, variance, *arms) == pytest.approx(other, abs=1e-9)
    wanted = tea_tasting.Mean("y", n_obs=4_000, ratio=ratio).solve_power(table, "effect_size")
    assert minimum_effect(variance, variance, *arms) == pytest.approx(wanted[0].effect_size, rel=1e-6)


@pytest.mark.parametrize("units", [2, 3, 12, 500, 40_000, 10**9])
def test_power_is_a_number_however_large_the_effect(units):
    """It rises from α to 1, also where the noncentral t of the libraries is not a number."""
    powers = [power_of(distance * math.sqrt(2 / units), 1, 1, units, units) for distance in np.linspace(0, 400, 3_000)]
    assert powers[0] == pytest.approx(0.05, abs=1e-9)
    assert powers[-1] == pytest.approx(1, abs=1e-9)
    assert np.diff(powers).min() > -1e-9


def test_the_variance_of_the_log_is_planned_with():
    """Per unit, an arm's variance of a comparison is that of its values; with its units its own error comes back."""
    rng = np.random.default_rng(2)
    control, candidate = rng.poisson(3, 200), rng.poisson(4, 300)
    found = compare(moments(control, [1] * 200), moments(candidate, [1] * 300), scale=1)
    per_unit = found.control.variance_per_unit, found.candidate.variance_per_unit
    assert per_unit == pytest.approx((np.var(control, ddof=1), np.var(candidate, ddof=1)), rel=1e-12)
    distance = minimum_effect(*per_unit, 200, 300, power=0.5) / found.se
    assert distance == pytest.approx(scipy.stats.t.ppf(0.975, found.degrees), rel=0.002)


@given(
    st.floats(0.02, 2), st.floats(0.2, 9), st.floats(0.2, 9), st.floats(0.1, 0.9), st.sampled_from([None, 500, 50_000])
)
def test_it_is_the_smallest_that_suffices(effect, before, after, share, planned):
    """At the units needed the power is there, one fewer and ten fewer lack it, and more never do."""
    kept = {"level": 0.95, "planned": planned}
    needed = units_needed(effect, before, after, share_candidate=share, power=0.8, **kept)

    def power(units):
        return power_of(effect, before, after, units * (1 - share), units * share, **kept) or 0.0

    assert power(needed) >= 0.8
    assert max(power(needed - 1), power(needed - 10) if needed > 10 else 0) < 0.8
    assert min(power(needed + more) for more in (1, 10, needed, 20 * needed)) >= 0.8
    assert needed == units_needed(-effect, before, after, share_candidate=share, power=0.8, **kept)


@given(st.floats(0.02, 2), st.sampled_from([500, 5_000, 50_000]), st.floats(0.5, 0.99))
def test_the_sequence_is_its_reach_and_the_quantile_of_the_power(effect, planned, power):
    """At the units needed, effect/se − reach has come up to z of the power, and not one unit before."""
    needed = units_needed(effect, 1.0, 2.0, power=power, planned=planned)

    def beyond(units):
        se = math.sqrt(3.0 / (units / 2))
        return effect / se - reach(units, level=0.95, planned=planned)

    z = scipy.stats.norm.ppf(power)
    assert beyond(needed) >= z - 1e-4
    assert beyond(needed - 1) < z + 1e-9
    assert needed > units_needed(effect, 1.0, 2.0, power=power)


def simulated(effect, planned, runs):
    """How often the sequence excludes 0 at the units needed for 80 %, over normal values of variances 1 and 2."""
    rng = np.random.default_rng(3)
    needed = units_needed(effect, 1.0, 2.0, planned=planned)
    units = needed // 2 + 1
    found = 0
    for _ in range(runs):
        control, candidate = rng.normal(0, 1, units), rng.normal(effect, math.sqrt(2), units)
        se = math.sqrt((control.var(ddof=1) + candidate.var(ddof=1)) / units)
        found += abs(candidate.mean() - control.mean()) > reach(2 * units, level=0.95, planned=planned) * se
    return found / runs


def test_the_sequence_has_its_power():
    """80 % of simulated experiments that end there exclude 0."""
    assert simulated(0.2, 2_000, 1_500) == pytest.approx(0.8, abs=0.035)


@pytest.mark.long
@pytest.mark.parametrize(("effect", "planned"), [(0.2, 2_000), (0.1, 5_000), (0.1, 100_000)])
def test_the_sequence_has_its_power_at_length(effect, planned):
    """Whatever it was planned for."""
    assert simulated(effect, planned, 10_000) == pytest.approx(0.8, abs=0.015)


def test_what_cannot_be_planned_is_none():
    """No effect, no variance, no units, or more than there are."""
    assert units_needed(0, 1, 1) is None
    assert units_needed(0.1, 0, 0) is None
    assert units_needed(1e-12, 1, 1) is None
    assert units_needed(1e-6, 1, 1) < MOST_UNITS
    assert minimum_effect(0, 0, 100, 100) is None
    assert minimum_effect(1, 1, 1, 100) is None
    assert minimum_effect(1, 1, 0, 100, planned=500) is None
    assert units_needed(0.1, 0, 1) is not None


def test_what_is_no_plan_is_refused():
    """By what was found."""
    with pytest.raises(ValueError, match=r"power must be between 1 − level and 1; found 1"):
        units_needed(0.1, 1, 1, power=1)
    with pytest.raises(ValueError, match=r"power must be between 1 − level and 1; found 0.04"):
        minimum_effect(1, 1, 50, 50, power=0.04)
    with pytest.raises(ValueError, match="share must be between 0 and 1; found 0"):
        units_needed(0.1, 1, 1, share_candidate=0)
    for wrong in (math.nan, math.inf):
        with pytest.raises(ValueError, match="an effect must be finite"):
            units_needed(wrong, 1, 1)
        with pytest.raises(ValueError, match="must be 0 or more, and finite"):
            minimum_effect(wrong, 1, 50, 50)
    with pytest.raises(ValueError, match="a level must be between 0 and 1; found 1"):
        power_of(0.1, 1, 1, 50, 50, level=1)
