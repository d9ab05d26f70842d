"""Sample ratio and independence: against scipy, and against counting out every division."""

import itertools

import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.statistics.independence import independence
from recsys.statistics.srm import ALPHA, MAX_DIVISIONS, sample_ratio

weights = st.sampled_from([1, 2, 3, 9, 0.5])


@given(st.integers(0, 400), st.integers(0, 400), weights, weights)
def test_two_arms_are_the_binomial_test(a, b, first, second):
    """Of two arms p is that of scipy's exact binomial test, at any weights."""
    found = sample_ratio({"A": a, "B": b}, {"A": first, "B": second})
    if a + b == 0:
        assert (found.p, found.note) == (None, "there is no unit")
        return
    oracle = scipy.stats.binomtest(a, a + b, first / (first + second)).pvalue
    assert found.p == pytest.approx(oracle, rel=1e-6, abs=1e-300)
    assert found.method == "exact binomial"


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 6), weights), min_size=3, max_size=4))
def test_more_arms_are_the_multinomial_test(arms):
    """Of more arms p is the probability of all divisions that are no likelier, counted out with scipy's."""
    counts, given_weights = zip(*arms, strict=True)
    total = sum(counts)
    if not total:
        return
    law = scipy.stats.multinomial(total, [weight / sum(given_weights) for weight in given_weights])
    divisions = [d for d in itertools.product(range(total + 1), repeat=len(counts)) if sum(d) == total]
    limit = law.pmf(counts) * (1 + 1e-7)
    oracle = sum(p for p in law.pmf(divisions) if p <= limit)
    names = [f"arm-{place}" for place in range(len(counts))]
    found = sample_ratio(dict(zip(names, counts, strict=True)), dict(zip(names, given_weights, strict=True)))
    assert found.p == pytest.approx(min(oracle, 1), rel=1e-6)
    assert found.method == "exact multinomial"


@given(st.lists(st.tuples(st.integers(5_000, 40_000), weights), min_size=3, max_size=6))
def test_many_units_are_the_chi_square_test(arms):
    """Of many units statistic and p are those of scipy's chi-square."""
    counts, given_weights = zip(*arms, strict=True)
    names = [f"arm-{place}" for place in range(len(counts))]
    found = sample_ratio(dict(zip(names, counts, strict=True)), dict(zip(names, given_weights, strict=True)))
    expected = [sum(counts) * weight / sum(given_weights) for weight in given_weights]
    oracle = scipy.stats.chisquare(counts, expected)
    assert (found.statistic, found.p) == pytest.approx((oracle.statistic, oracle.pvalue), rel=1e-9, abs=1e-300)
    assert found.method == "chi-square"
    assert list(found.expected.values()) == pytest.approx(expected)


def test_the_exact_p_and_that_of_chi_square_meet():
    """Where the exact test ends, the other goes on without a jump."""
    edge = MAX_DIVISIONS - 1
    exact = sample_ratio({"A": edge // 2 + 150, "B": edge - edge // 2 - 150})
    rough = sample_ratio({"A": edge // 2 + 151, "B": edge - edge // 2 - 150})
    assert (exact.method, rough.method) == ("exact binomial", "chi-square")
    assert exact.p == pytest.approx(rough.p, rel=0.06)


def test_an_absent_arm_never_passes():
    """Two units in one of two declared arms are no proof by p, and still a mismatch; so are many."""
    few, many = (sample_ratio({"A": n}, {"A": 1, "B": 1}) for n in (2, 2_000))
    assert few.p == pytest.approx(0.5)
    assert many.p < ALPHA
    assert few.absent == many.absent == ["B"]
    assert few.mismatch()
    assert many.mismatch()


def test_an_unexpected_arm_never_passes():
    """One unit of an arm that was not declared is a mismatch; p is over the declared arms, and not moved to 1."""
    found = sample_ratio({"A": 500, "B": 640, "typo": 1}, {"A": 1, "B": 1})
    assert found.unexpected == ["typo"]
    assert found.p == pytest.approx(scipy.stats.binomtest(500, 1140).pvalue)
    assert found.p < ALPHA
    assert sample_ratio({"A": 5, "B": 5, "typo": 1}, {"A": 1, "B": 1}).mismatch()


def test_arms_that_were_not_declared_should_be_equal():
    """Without weights the arms that were seen are compared with equal shares, and the result says so."""
    found = sample_ratio({"B": 10, "A": 12, "C": 0})
    assert (found.declared, found.expected, found.absent) == (False, {"A": 11.0, "B": 11.0}, [])
    assert not found.mismatch()
    assert sample_ratio({"A": 7}).p is None
    assert sample_ratio({}).note == "there is no unit"


@pytest.mark.parametrize("wrong", [0, -1, float("nan"), float("inf"), 1e-320])
def test_weights_that_are_none(wrong):
    """A weight that is not above 0 and finite, or vanishes beside the others, is refused."""
    with pytest.raises(ValueError, match="weights must"):
        sample_ratio({"A": 1}, {"A": 1e10, "B": wrong})


def test_a_rough_p_says_so():
    """A chi-square over a small expected count carries a note."""
    found = sample_ratio({"A": 90_000, "B": 3, "C": 90_000}, {"A": 1, "B": 1e-5, "C": 1})
    assert "p is rough" in found.note


tables = st.integers(2, 4).flatmap(
    lambda width: st.lists(st.lists(st.integers(0, 300), min_size=width, max_size=width), min_size=2, max_size=4)
)


@given(tables)
def test_independence_is_scipys(table):
    """Statistic, degrees and p of a cross table are those of scipy without a correction; empty arms are left out."""
    found = independence(table)
    rows = [row for row in table if sum(row)]
    kept = [list(column) for column in zip(*rows, strict=True) if sum(column)] if rows else []
    if len(rows) < 2 or len(kept) < 2:
        assert found.p is None
        return
    oracle = scipy.stats.chi2_contingency(kept, correction=False)
    assert found.degrees == oracle.dof
    assert (found.statistic, found.p) == pytest.approx((oracle.statistic, oracle.pvalue), rel=1e-9, abs=1e-12)
    assert bool(found.note) == (oracle.expected_freq.min() < 5)
