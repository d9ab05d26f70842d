"""Adjusted p-values: against statsmodels, with ties, zeros and questions that have none."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from recsys.statistics.multiplicity import METHODS, adjust

ORACLES = {"bonferroni": "bonferroni", "holm": "holm", "benjamini_hochberg": "fdr_bh"}
P = st.one_of(st.floats(0, 1, allow_subnormal=False), st.sampled_from([0.0, 1e-300, 0.01, 0.02, 0.5, 1.0]))
FAMILIES = st.lists(st.one_of(P, st.none()), max_size=12)


@pytest.mark.parametrize("method", ORACLES)
@settings(max_examples=25)
@given(FAMILIES)
def test_adjusted_p_values_are_those_of_statsmodels(method, values):
    """Every method, in any order, with ties, with p = 0; what has no p is neither counted nor dropped."""
    p_values = {f"metric-{place}": p for place, p in enumerate(values)}
    adjusted = adjust(p_values, method)
    known = {question: p for question, p in p_values.items() if p is not None}
    oracle = multipletests(list(known.values()), method=ORACLES[method])[1] if known else []
    assert [adjusted[question] for question in known] == pytest.approx(list(oracle), rel=1e-12, abs=1e-300)
    assert list(adjusted) == list(p_values)
    assert all((adjusted[question] is None) == (p is None) for question, p in p_values.items())


@pytest.mark.parametrize("method", METHODS)
def test_a_p_of_0_stays(method):
    """An effect so strong that its p is 0 is a discovery, not a gap."""
    adjusted = adjust({"ctr": 0.0, "revenue": None, "orders": 0.5}, method)
    assert (adjusted["ctr"], adjusted["revenue"]) == (0.0, None)


def test_none_is_a_method_too():
    """It leaves p as it is."""
    assert adjust({"a": 0.04, "b": 0.01}, "none") == {"a": 0.04, "b": 0.01}


def test_what_is_no_p_or_no_method_is_refused():
    """By name."""
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=r"between 0 and 1; found .* of 'ctr'"):
            adjust({"ctr": wrong}, "holm")
    with pytest.raises(ValueError, match=r"one of bonferroni, holm, .*; found 'sidak'"):
        adjust({}, "sidak")
