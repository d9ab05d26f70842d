"""The delete-a-group jackknife: against the formula of a mean, and by simulation with known truth."""

import numpy as np
import pytest

from recsys.statistics.jackknife import jackknife


def test_of_a_mean_it_is_the_error_of_the_mean_of_groups():
    """Of equally large groups the jackknife of their mean is the standard error of a mean: scipy's sem."""
    from scipy import stats

    groups = np.random.default_rng(1).normal(3, 2, 32)
    left_out = [float(np.delete(groups, place).mean()) for place in range(32)]
    found = jackknife(float(groups.mean()), left_out, groups=32)
    assert found.se == pytest.approx(stats.sem(groups), rel=1e-12)
    low, high = stats.t.interval(0.95, 31, groups.mean(), stats.sem(groups))
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-12)


@pytest.mark.parametrize(
    ("value", "left_out", "told"),
    [
        (None, [], "nothing was shown"),
        (0.5, [0.5] * 7, "users fall into 7 groups"),
        (1.0, [1.0] * 32, "do not differ"),
        (0.3, [0.1 + 0.2, 0.3] * 16, "do not differ"),
    ],
)
def test_where_there_is_no_error_it_says_so(value, left_out, told):
    """Nothing shown, few groups, or groups that differ by rounding alone: no interval, and the reason in words."""
    found = jackknife(value, left_out, groups=32)
    assert (found.value, found.se, found.low, found.high) == (value, None, None, None)
    assert told in found.note


def test_an_interval_is_cut_at_the_range():
    """It does not leave what the figure can be."""
    found = jackknife(0.99, list(np.linspace(0.6, 1.0, 32)), groups=32, lowest=0.0, highest=1.0)
    assert (found.low, found.high) == (0.0, 1.0)


def _gini(counts):
    ordered = np.sort(counts)
    n = len(ordered)
    return float(((2 * np.arange(1, n + 1) - n - 1) * ordered).sum() / (n * ordered.sum()))


def test_it_covers_the_expected_figure():
    """The Gini of what 800 clustered users are shown: the interval holds its expectation at that size in 95 % of 400
    logs, less three binomial errors; with all 32 groups left out in turn, and with 8 of them."""
    rng = np.random.default_rng(7)
    weights = 1 / np.arange(1, 61) ** 0.8
    weights /= weights.sum()

    def log():
        shown = np.zeros((32, 60))
        tastes = rng.dirichlet(30 * weights, 800)
        for user, taste in enumerate(tastes):
            shown[user % 32] += rng.multinomial(1 + user % 7, taste)
        return shown

    logs = [log() for _ in range(400)]
    truth = np.mean([_gini(shown.sum(axis=0)) for shown in logs])
    held = [0, 0]
    for shown in logs:
        total = shown.sum(axis=0)
        left_out = [_gini(total - group) for group in shown]
        for place, some in enumerate((left_out, left_out[:8])):
            found = jackknife(_gini(total), some, groups=32)
            held[place] += found.low <= truth <= found.high
    assert min(held) / 400 >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 400)
