"""Ratios of sums over users: against NumPy's formula, a simulation with known truth, and awkward sums."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.statistics.moments import SCALE, Moments
from recsys.statistics.ratio import ratio


def moments(y, n):
    """Moments of per-user totals; ``y`` in natural units."""
    y = [round(float(value) * SCALE) for value in y]
    n = [int(value) for value in n]
    return Moments(
        units=len(y), y=sum(y), n=sum(n), yy=sum(a * a for a in y),
        yn=sum(a * b for a, b in zip(y, n, strict=True)), nn=sum(b * b for b in n),
    )  # fmt: skip


users = st.lists(st.tuples(st.integers(0, 100), st.integers(1, 100)), min_size=2, max_size=30)


@given(users)
def test_the_delta_method(rows):
    """Value and standard error are those of the formula, computed on the rows."""
    y, n = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    found = ratio(moments(y, n))
    assert found.value == pytest.approx(y.sum() / n.sum())
    errors = y - y.sum() / n.sum() * n
    variance = (errors**2).sum() / ((len(y) - 1) * len(y) * n.mean() ** 2)
    if found.se is not None:
        assert found.se == pytest.approx(math.sqrt(variance), rel=1e-9)
    else:
        assert variance == pytest.approx(0, abs=1e-12)


@given(users, users)
def test_moments_add(first, second):
    """The moments of two groups of users add to those of both."""
    both = moments(*zip(*(first + second), strict=True))
    assert moments(*zip(*first, strict=True)) + moments(*zip(*second, strict=True)) == both


def test_no_precision_is_lost_to_cancellation():
    """A tiny difference between users on a huge mean still gives the right standard error."""
    y = [10**9 + d for d in (0, 1, 2, 3)]
    found = ratio(moments(y, [1, 1, 1, 1]))
    assert found.se == pytest.approx(np.std(range(4), ddof=1) / 2, rel=1e-12)


def test_nothing_one_and_equal_users_have_no_interval():
    """Where no interval can be given there is none, and a word why."""
    assert ratio(Moments()).value is None
    one = ratio(moments([3], [4]))
    assert (one.value, one.low) == (0.75, None)
    assert "one user" in one.note
    assert "do not differ" in ratio(moments([1, 1], [2, 2])).note


def test_the_interval_covers_the_truth():
    """With 5,000 users of Pareto activity, each with a click rate of its own, 95 % intervals cover the truth."""
    rng = np.random.default_rng(11)
    trials, count = 1_000, 5_000
    n = np.minimum(rng.pareto(1.3, 4_000_000) + 1, 200).astype(int)
    truth = 0.1  # the mean of Beta(1, 9), of which activity is independent
    covered = 0
    for _ in range(trials):
        chosen = rng.choice(n, count)
        y = rng.binomial(chosen, rng.beta(1, 9, count))
        found = ratio(
            Moments(
                units=count,
                y=int(y.sum()) * SCALE,
                n=int(chosen.sum()),
                yy=int((y * y).sum()) * SCALE**2,
                yn=int((y * chosen).sum()) * SCALE,
                nn=int((chosen * chosen).sum()),
            )
        )
        covered += found.low <= truth <= found.high
    assert 0.935 <= covered / trials <= 0.965
