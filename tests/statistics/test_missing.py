"""Bounds of a mean with missing rows: against every completion of small logs."""

from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.statistics.missing import widened

ENDS = (0.0, 1.0)


def completions(scores, missing, uncertain):
    """The mean of every log that these scores may be what is left of: up to ``uncertain`` of them replaced by an end of
    the range, and up to ``missing`` more rows at one end or the other."""
    for changed in range(min(uncertain, len(scores)) + 1):
        for places in combinations(range(len(scores)), changed):
            for values in product(ENDS, repeat=changed):
                rows = list(scores)
                for place, value in zip(places, values, strict=True):
                    rows[place] = value
                for more in range(missing + 1):
                    for added in product(ENDS, repeat=more):
                        if rows or added:
                            yield (sum(rows) + sum(added)) / (len(rows) + more)


SCORES = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=4)


@given(SCORES, st.integers(0, 3))
def test_missing_rows_move_a_mean_exactly_as_far_as_the_worst_completion(scores, missing):
    """With nothing uncertain the bounds are the extremes of all completions, and are reached."""
    mean = sum(scores) / len(scores)
    low, high = widened(mean, mean, len(scores), lowest=0, highest=1, missing=missing)
    possible = list(completions(scores, missing, 0))
    assert (low, high) == pytest.approx((min(possible), max(possible)))


@given(SCORES, st.integers(0, 2), st.integers(0, 3))
def test_no_completion_is_outside_the_bounds(scores, missing, uncertain):
    """Whatever up to so many changed scores and missing rows are, the mean is within the bounds."""
    mean = sum(scores) / len(scores)
    low, high = widened(mean, mean, len(scores), lowest=0, highest=1, missing=missing, uncertain=uncertain)
    possible = list(completions(scores, missing, uncertain))
    assert low <= min(possible) + 1e-12
    assert high >= max(possible) - 1e-12
    assert 0 <= low <= high <= 1


@given(SCORES, st.integers(0, 2), st.integers(0, 2), st.integers(0, 2))
def test_outcomes_that_make_a_list_respond_move_the_mean_of_the_responded_by_no_more(scores, missing, changed, joining):
    """A lost outcome changes the score of a list, or makes one responded that was not: ``changed + joining`` uncertain
    rows bound both."""
    mean = sum(scores) / len(scores)
    low, high = widened(mean, mean, len(scores), lowest=0, highest=1, missing=missing, uncertain=changed + joining)
    possible = list(completions(scores, missing + joining, changed))
    assert low <= min(possible) + 1e-12
    assert high >= max(possible) - 1e-12


def test_nothing_lost_changes_nothing():
    """The bounds come back to the last bit."""
    assert widened(0.1, 0.30000000000000004, 7, lowest=0, highest=1) == (0.1, 0.30000000000000004)


def test_a_mean_over_nothing_may_be_anything_once_rows_are_missing():
    """Without a row the bounds are the range."""
    assert widened(0.0, 0.0, 0, lowest=0, highest=1, missing=3) == (0, 1)
