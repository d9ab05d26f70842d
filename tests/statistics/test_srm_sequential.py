"""The e-value of the sample ratio: against scipy, its mean under the null, and simulated experiments."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from error_rates import alarms
from experiment_simulation import divisions, log_e_values
from recsys.statistics.srm_sequential import ALARM, running_sample_ratio

arms = st.lists(st.tuples(st.integers(0, 5_000), st.sampled_from([1, 2, 9])), min_size=2, max_size=5)


@given(arms)
def test_the_e_value_is_a_ratio_of_scipys_likelihoods(pairs):
    """Dirichlet-multinomial over multinomial."""
    counts, weights = zip(*pairs, strict=True)
    names = [f"arm-{place}" for place in range(len(pairs))]
    found = running_sample_ratio(dict(zip(names, counts, strict=True)), dict(zip(names, weights, strict=True)))
    shares, n = np.array(weights) / sum(weights), sum(counts)
    mixed = scipy.stats.dirichlet_multinomial.logpmf(counts, 100 * shares, n)
    assert found.log_e == pytest.approx(mixed - scipy.stats.multinomial.logpmf(counts, n, shares), rel=1e-9, abs=1e-7)
    assert list(found.expected.values()) == pytest.approx(n * shares)


def test_its_mean_under_the_null_is_one():
    """Over all divisions of 60 units among three unequal arms, exactly."""
    weights = {"A": 2, "B": 1, "C": 1}
    total = math.fsum(
        scipy.stats.multinomial.pmf([a, b, 60 - a - b], 60, [0.5, 0.25, 0.25])
        * math.exp(running_sample_ratio({"A": a, "B": b, "C": 60 - a - b}, weights).log_e)
        for a in range(61)
        for b in range(61 - a)
    )
    assert total == pytest.approx(1, rel=1e-9)


def test_arms_that_are_absent_or_unexpected_are_named():
    """Whatever e is; and a missing arm also raises the alarm once it has had the chance to be there."""
    few, many = (running_sample_ratio({"A": n}, {"A": 1, "B": 1}) for n in (3, 60))
    assert few.absent == many.absent == ["B"]
    assert (few.alarm, few.mismatch, many.alarm) == (False, True, True)
    typo = running_sample_ratio({"A": 50, "B": 50, "b": 1}, {"A": 1, "B": 1})
    assert (typo.unexpected, typo.alarm, typo.mismatch) == (["b"], False, True)
    assert typo.log_e == running_sample_ratio({"A": 50, "B": 50}).log_e


def test_what_cannot_be_compared_is_no_evidence():
    """No unit, one arm: the logarithm of e is 0, with a word why."""
    assert (running_sample_ratio({}).log_e, running_sample_ratio({}).note) == (0.0, "there is no unit")
    assert running_sample_ratio({}, {"A": 1, "B": 1}).absent == ["A", "B"]
    assert running_sample_ratio({"A": 9}).note == "there is one arm"
    assert running_sample_ratio({"A": 9, "B": 8, "C": 0}).expected == {"A": 8.5, "B": 8.5}
    for wrong in (0, -1, math.nan, math.inf):
        with pytest.raises(ValueError, match="weights must"):
            running_sample_ratio({"A": 1}, {"A": 1, "B": wrong})


def test_nothing_overflows():
    """Of billions of units in the wrong arm ln e is large and finite; of the right division it is below 0."""
    wrong = running_sample_ratio({"A": 3 * 10**9, "B": 10**9}, {"A": 1, "B": 1})
    assert wrong.alarm
    assert 1e8 < wrong.log_e < 1e9
    right = running_sample_ratio({"A": 10**12, "B": 10**12}, {"A": 1, "B": 1})
    assert right.log_e == pytest.approx(math.log(math.sqrt(100 / 2e12)), abs=0.02)


def test_many_divisions_at_once_are_the_same():
    """The simulation's e-values are those of the function."""
    a, b = divisions(np.random.default_rng(8), 20, 3_000, 0.1)
    many = log_e_values(a, b, 0.1)
    for place in np.ndindex(a.shape):
        single = running_sample_ratio({"A": int(a[place]), "B": int(b[place])}, {"A": 9, "B": 1})
        assert many[place] == pytest.approx(single.log_e, rel=1e-9, abs=1e-7)


@pytest.mark.parametrize(("users", "share"), [(500, 0.5), (20_000, 0.5), (20_000, 0.9)])
def test_false_alarms_are_rare(users, share):
    """A few thousand experiments with 14 looks do not refute that at most 0.2 % have a false alarm; the long form is in
    the table of error rates."""
    runs = 4_000
    assert scipy.stats.binom.sf(alarms(users, share, share, runs) - 1, runs, 0.002) > 0.005


def test_a_wrong_split_is_caught():
    """20,000 users at 52/48 instead of even: caught in nine of ten experiments; at 55/45 in all."""
    rates = [alarms(20_000, share, 0.5, 1_000) / 1_000 for share in (0.52, 0.55)]
    print(f"\n52/48 is caught with probability {rates[0]:.3f}, 55/45 with {rates[1]:.3f}; alarm at {ALARM:.0f}")
    assert rates[0] > 0.85
    assert rates[1] > 0.999
