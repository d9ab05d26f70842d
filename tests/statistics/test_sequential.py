"""Reaches: against the paper's own form of the sequence, scipy's t, and the guards by hand."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from recsys.statistics.sequential import DEFAULT_PLANNED, always_valid_p, enough, fixed_reach, reach


@pytest.mark.parametrize("units", [1, 50, 5_000, 3_000_000])
@pytest.mark.parametrize(("level", "planned"), [(0.95, 5_000), (0.9, 800), (0.9999, 100_000)])
def test_a_reach_is_the_papers_boundary_over_the_standard_error(units, level, planned):
    """The half width √((2(tρ²+1)/(t²ρ²))·ln(√(tρ²+1)/α))·σ is reach × σ/√t."""
    alpha, sigma = 1 - level, 1.7
    rho = math.sqrt((-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / planned)
    t = units
    width = sigma * math.sqrt(2 * (t * rho**2 + 1) / (t**2 * rho**2) * math.log(math.sqrt(t * rho**2 + 1) / alpha))
    assert reach(units, level=level, planned=planned) * sigma / math.sqrt(t) == pytest.approx(width, rel=1e-9)


@pytest.mark.parametrize("planned", [800, DEFAULT_PLANNED, 60_000])
def test_the_sequence_is_tightest_about_where_it_was_planned(planned):
    """Of the sequences that could have been planned, this one is within 1 % of the narrowest at the planned units."""
    here = reach(planned, level=0.95, planned=planned)
    others = [reach(planned, level=0.95, planned=int(planned * f)) for f in np.geomspace(0.05, 20, 200)]
    assert here <= min(others) * 1.01
    assert here < reach(planned, level=0.95, planned=planned * 20)
    assert reach(50, level=0.95) == reach(50, level=0.95, planned=DEFAULT_PLANNED)


def test_the_fixed_reach_is_scipys_t():
    """Quantiles of Student's t; none without degrees of freedom."""
    for degrees in (1, 7.5, 200, 1e7):
        assert fixed_reach(degrees, 0.95) == pytest.approx(scipy.stats.t.ppf(0.975, degrees), rel=1e-9)
    assert fixed_reach(0, 0.95) == math.inf


def test_looking_at_any_time_costs_width():
    """A sequence reaches further than one look at the end, for any number of units."""
    for units in (10, 1_000, 100_000, 10_000_000):
        assert reach(units, level=0.95) > fixed_reach(units - 1, 0.95)


def test_nothing_reaches_everywhere_and_nonsense_is_refused():
    """No unit: infinite. Levels outside of (0, 1) and plans of nothing are errors."""
    assert reach(0, level=0.95) == math.inf
    for wrong in (0, 1, -0.5, 95, math.nan):
        with pytest.raises(ValueError, match="between 0 and 1"):
            reach(10, level=wrong)
        with pytest.raises(ValueError, match="between 0 and 1"):
            fixed_reach(10, wrong)
    with pytest.raises(ValueError, match="at least 1; found 0"):
        reach(10, level=0.95, planned=0)


def test_what_is_enough():
    """100 units with something in each arm; 400 in an arm with under a third of the units; never without an arm."""
    even = {"A": 5_000, "B": 5_000}
    assert enough({"A": 100, "B": 100}, even) == ""
    assert "B has 99 units" in enough({"A": 100, "B": 99}, even)
    assert "A" not in enough({"A": 100, "B": 99}, even)
    assert enough({"A": 100, "B": 400}, {"A": 6_668, "B": 3_332}) == ""
    assert "under a third" in enough({"A": 100, "B": 399}, {"A": 6_668, "B": 3_332})
    assert enough({"A": 100, "B": 100}, {"A": 2_000, "B": 1_000}) == ""
    assert enough({"A": 100, "B": 100, "C": 100}, dict.fromkeys("ABC", 500)) == ""
    assert enough({}, {}) == "no arm has a unit"
    assert "B" in enough({"A": 500}, {"A": 5_000, "B": 5_000})
    assert "B" in enough({"A": 500, "B": 0}, {"A": 5_000})


@given(st.integers(1, 10**7), st.floats(0.5, 0.999), st.integers(1, 10**7))
def test_the_p_value_that_is_always_valid_inverts_the_sequence(units, level, planned):
    """What the sequence of a level just excludes has the p-value 1 − level; what is nearer has a larger one."""
    found = reach(units, level=level, planned=planned)
    assert always_valid_p(found, units, level=level, planned=planned) == pytest.approx(1 - level, rel=1e-9)
    nearer = always_valid_p(found * 0.9, units, level=level, planned=planned)
    assert 1 - level < nearer <= 1
    assert always_valid_p(0.0, units, level=level, planned=planned) == always_valid_p(5.0, 0, level=level) == 1
