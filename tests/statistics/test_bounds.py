"""Bounds for what did not join: whatever was lost, the figures of the whole data lie inside; naive intervals do not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.statistics.bounds import Credit, Unjoined, difference_bounds, ratio_bounds
from recsys.statistics.difference import difference
from recsys.statistics.moments import Moments
from recsys.statistics.ratio import ratio
from unit_moments import moments, people

units = st.lists(
    st.tuples(
        st.lists(st.tuples(st.integers(-9, 30), st.sampled_from(["joined", "named", "unnamed"])), max_size=4),
        st.integers(0, 5),
    ),
    min_size=2,
    max_size=8,
)
"""A unit: outcomes with their value and what became of them, and the lists that it was shown."""


def credit(arms, sign):
    """What did not join, of the values of one sign: as the outcomes tell it, by the user whom each names."""
    per_user = [[sign * value for value, fate in done if fate == "named" and sign * value > 0]
                for arm in arms for done, _ in arm]  # fmt: skip
    named = [sum(values) for values in per_user]
    lost = [sign * value for arm in arms for done, _ in arm for value, fate in done if fate == "unnamed"]
    return Credit(named=sum(named), squares=sum(n * n for n in named), unnamed=sum(v for v in lost if v > 0))


def both(arm):
    """Moments of a joined arm and of the whole one."""
    shown = [n for _, n in arm]
    joined = [sum(value for value, fate in done if fate == "joined") for done, _ in arm]
    return moments(joined, shown), moments([sum(value for value, _ in done) for done, _ in arm], shown)


@settings(max_examples=300)
@given(units, units)
def test_whatever_was_lost_the_whole_data_lie_inside(control, candidate):
    """The difference of the whole data, and its interval, lie within the ends, and within their outermost limits."""
    (seen_a, whole_a), (seen_b, whole_b) = both(control), both(candidate)
    unjoined = Unjoined(credit([control, candidate], 1), credit([control, candidate], -1))
    bounds = difference_bounds(seen_a, seen_b, unjoined, scale=1)
    truth = difference(whole_a, whole_b, scale=1)
    if truth.value is None:
        assert bounds is None
        return
    slack = 1e-9 * (1 + abs(truth.value))
    assert bounds.low.value - slack <= truth.value <= bounds.high.value + slack
    if truth.low is not None:
        assert bounds.low.low <= truth.low + slack
        assert bounds.high.high >= truth.high - slack


@settings(max_examples=200)
@given(units)
def test_of_one_log_too(arm):
    """The ratio of the whole data, and its interval, lie between "none of them" and "all"."""
    seen, whole = both(arm)
    bounds = ratio_bounds(seen, Unjoined(credit([arm], 1), credit([arm], -1)), scale=1)
    truth = ratio(whole, scale=1)
    if truth.value is None:
        assert bounds is None
        return
    slack = 1e-9 * (1 + abs(truth.value))
    assert bounds.low.value - slack <= truth.value <= bounds.high.value + slack
    if truth.low is not None:
        assert bounds.low.low <= truth.low + slack
        assert bounds.high.high >= truth.high - slack


def test_the_ends_by_hand():
    """Ten clicks that did not join, two arms of 100 lists: the ends, and the share that takes the difference away."""
    control, candidate = moments([10, 10], [50, 50]), moments([12, 14], [50, 50])
    bounds = difference_bounds(control, candidate, Unjoined(Credit(named=10, squares=100)), scale=1)
    assert (bounds.low.value, bounds.high.value) == pytest.approx((-0.04, 0.16))
    assert bounds.flips == pytest.approx(0.6)
    swapped = difference_bounds(candidate, control, Unjoined(Credit(named=10, squares=100)), scale=1)
    assert (swapped.low.value, swapped.high.value) == pytest.approx((-0.16, 0.04))
    assert swapped.flips == pytest.approx(0.6)
    few = difference_bounds(control, candidate, Unjoined(Credit(named=5, squares=25)), scale=1)
    assert few.flips is None
    level = difference_bounds(control, candidate, Unjoined(Credit(named=6, squares=36)), scale=1)
    assert (level.low.value, level.flips) == (0.0, None)
    equal = difference_bounds(control, control, Unjoined(Credit(unnamed=1)), scale=1)
    assert equal.flips == 0.0


def test_refunds_pull_the_other_way():
    """An amount below 0 that did not join is credited to the arm that the end does not favour."""
    control, candidate = moments([10, 10], [50, 50]), moments([12, 14], [25, 25])
    unjoined = Unjoined(Credit(named=10, squares=100), Credit(named=5, squares=25))
    bounds = difference_bounds(control, candidate, unjoined, scale=1)
    assert bounds.high.value == pytest.approx((26 + 10) / 50 - (20 - 5) / 100)
    assert bounds.low.value == pytest.approx((26 - 5) / 50 - (20 + 10) / 100)


def test_where_all_joined_the_bounds_are_the_figure():
    """Nothing unjoined: both ends are the difference with its own interval, and nothing can turn it."""
    control, candidate = moments([10, 12], [50, 50]), moments([12, 14], [50, 40])
    bounds, found = difference_bounds(control, candidate, Unjoined(), scale=1), difference(control, candidate, scale=1)
    assert bounds.low == bounds.high
    assert (bounds.low.value, bounds.low.low, bounds.high.high) == (found.value, found.low, found.high)
    assert bounds.flips is None
    alone = ratio_bounds(control, Unjoined(), scale=1, lowest=0.0)
    assert alone.low == alone.high
    assert alone.low.value == 0.22


def test_what_has_no_bounds():
    """Nothing shown has none; one unit has ends without intervals; a figure's range is kept."""
    some, lost = moments([1, 2], [3, 3]), Unjoined(Credit(unnamed=3))
    assert difference_bounds(Moments(), some, lost) is None
    assert ratio_bounds(Moments(), lost) is None
    assert difference_bounds(moments([1], [2]), some, lost, scale=1).low.se is None
    assert ratio_bounds(some, lost, scale=1, lowest=0.0).low.low == 0.0


def lose(rng, how, arms):
    """Clicks that are lost, unit by unit, for each arm."""
    share = {"random": (0.1, 0.1), "one arm": (0.0, 0.15), "people of one arm": (0.0, 0.15), "the busiest": (0, 0)}[how]
    lost = []
    for (clicks, _), rate, place in zip(arms, share, (0, 1), strict=True):
        if how == "people of one arm":
            lost.append(clicks * (rng.random(len(clicks)) < rate))
        elif how == "the busiest":
            worst = np.zeros(len(clicks), int)
            if place == 1:
                worst[np.argsort(clicks)[-8:]] = clicks[np.argsort(clicks)[-8:]]
            lost.append(worst)
        else:
            lost.append(rng.binomial(clicks, rate))
    return lost


@pytest.mark.parametrize("named", [True, False], ids=["named", "unnamed"])
@pytest.mark.parametrize("how", ["random", "one arm", "people of one arm", "the busiest"])
def test_the_true_difference_is_inside_in_every_run(how, named):
    """Experiments with a true difference of 0.02 that lose request_ids, by chance or in one arm only: the truth, and
    the figure of the whole data, are within the bounds every time; where one arm lost, naive intervals miss."""
    rng = np.random.default_rng([3, named])
    truth, runs, missed = 0.02, 60, 0
    for _ in range(runs):
        arms = people(rng, 5_000, 0.10), people(rng, 5_000, 0.10 + truth)
        lost = lose(rng, how, arms)
        total, squares = (sum(int((gone**power).sum()) for gone in lost) for power in (1, 2))
        unjoined = Unjoined(Credit(named=total, squares=squares) if named else Credit(unnamed=total))
        seen = [moments(clicks - gone, n) for (clicks, n), gone in zip(arms, lost, strict=True)]
        bounds = difference_bounds(*seen, unjoined, scale=1)
        whole = difference(*(moments(*arm) for arm in arms), scale=1)
        assert bounds.low.value - 1e-12 <= whole.value <= bounds.high.value + 1e-12
        assert bounds.low.low <= truth <= bounds.high.high
        naive = difference(*seen, scale=1)
        missed += not naive.low <= truth <= naive.high
    print(f"{how}, {'named' if named else 'unnamed'}: naive intervals missed the truth in {missed} of {runs} runs")
    if how != "random":
        assert missed > runs / 2
