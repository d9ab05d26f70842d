"""The A/A check: its p-values are those of ``difference``; it passes a test by user and fails one by request."""

import numpy as np
import pytest
import scipy.stats

from recsys.statistics.aa_check import USERS, aa_check, divisions, p_values, uniform
from recsys.statistics.difference import difference
from unit_moments import moments, people


@pytest.mark.parametrize("share", [0.5, 0.2])
def test_the_p_values_are_those_of_the_difference(share):
    """Each division, written out: difference over its error against Student's t with Welch's degrees of freedom."""
    y, n = people(np.random.default_rng(1), USERS + 100, 0.1)
    found = p_values(y, n, seed=4, splits=50, share=share)
    stream = np.random.PCG64(4)
    rows = np.concatenate([divisions(stream, 50, users, share) for users in (USERS, 100)], axis=1)
    assert rows.mean() == pytest.approx(share, abs=0.02)
    for p, row in zip(found, rows, strict=True):
        arms = moments(y[~row], n[~row]), moments(y[row], n[row])
        oracle = difference(*arms, scale=1)
        parts = []
        for arm in (~row, row):
            residual = y[arm] - y[arm].sum() / n[arm].sum() * n[arm]
            parts.append((residual.var(ddof=1) / (arm.sum() * n[arm].mean() ** 2), arm.sum() - 1))
        total = sum(variance for variance, _ in parts)
        degrees = total**2 / sum(variance**2 / free for variance, free in parts)
        assert oracle.se == pytest.approx(np.sqrt(total), rel=1e-9)
        assert p == pytest.approx(2 * scipy.stats.t.sf(abs(oracle.value) / oracle.se, degrees), rel=1e-7)


def test_the_p_values_come_of_the_seed():
    """The same seed, the same p-values; another one, others."""
    y, n = people(np.random.default_rng(2), 200, 0.1)
    assert (p_values(y, n, seed=1, splits=40) == p_values(y, n, seed=1, splits=40)).all()
    assert (p_values(y, n, seed=2, splits=40) != p_values(y, n, seed=1, splits=40)).any()


@pytest.mark.parametrize("share", [0.5, 0.2])
def test_a_test_by_user_passes(share):
    """Clicks that cluster by user, with a long tail of activity: about 5 % are rejected, and the check passes."""
    y, n = people(np.random.default_rng(3), 4_000, 0.1)
    found = aa_check(y, n, seed=5, share=share)
    assert found.passes
    assert 0.03 < found.rejected < 0.07
    assert found.splits == 1_000
    assert found == aa_check(y, n, seed=5, share=share)


def by_request(y, n, seed, splits=1_000):
    """p of the two-proportion z test, which takes each list for independent of the others."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(splits):
        b = rng.random(len(y)) < 0.5
        rates = y[b].sum() / n[b].sum(), y[~b].sum() / n[~b].sum()
        pooled = y.sum() / n.sum()
        error = np.sqrt(pooled * (1 - pooled) * (1 / n[b].sum() + 1 / n[~b].sum()))
        found.append(2 * scipy.stats.norm.sf(abs(rates[0] - rates[1]) / error))
    return uniform(np.array(found))


def test_a_test_by_request_fails():
    """On users that differ: the check finds it, and a third of true nulls are rejected; without clusters it passes."""
    rng = np.random.default_rng(6)
    _, n = people(rng, 4_000, 0.1)
    clustered = rng.binomial(n, rng.beta(0.5, 4.5, 4_000))
    found, ours = by_request(clustered, n, 7), aa_check(clustered, n, seed=7)
    print(f"\nby request {found.rejected:.1%} of true nulls are rejected, by user {ours.rejected:.1%}")
    assert not found.passes
    assert found.rejected > 0.12
    assert ours.passes
    assert by_request(rng.binomial(n, 0.1), n, 8).passes


def test_one_user_that_makes_up_the_figure_fails():
    """A user with most of all clicks: no test by user keeps its level on these, and the check says so."""
    y, n = people(np.random.default_rng(9), 500, 0.1)
    y[0], n[0] = 4_000, 5_000
    assert not aa_check(y, n, seed=1).passes


def test_uniform_is_scipys_and_fails_in_one_of_a_thousand():
    """The statistic and p are of scipy's exact test; uniform p-values seldom fail."""
    rng = np.random.default_rng(10)
    p = rng.random(300)
    oracle = scipy.stats.kstest(p, "uniform")
    assert (uniform(p).statistic, uniform(p).p) == (oracle.statistic, oracle.pvalue)
    assert sum(not uniform(rng.random(1_000)).passes for _ in range(200)) <= 2
    assert uniform(np.full(50, 0.001)).passes is False


def test_what_cannot_be_checked_does_not_pass():
    """Few users, none that differ, nothing shown: no p, a word why, and no pass. Large sums lose nothing."""
    some = np.array([1, 2])
    assert (aa_check(some, some, seed=1).passes, aa_check(some, some, seed=1).note[:10]) == (False, "fewer than")
    for y, n in (
        (np.full(50, 2), np.full(50, 4)),
        (7 * np.arange(1, 51), 49 * np.arange(1, 51)),
        (np.zeros(50, int), np.zeros(50, int)),
    ):
        found = aa_check(y, n, seed=1)
        assert (found.p, found.rejected, found.note[:14]) == (None, None, "most divisions")
    y, n = people(np.random.default_rng(3), 2_000, 0.1)
    assert p_values(y * 2**40, n, seed=1, splits=20) == pytest.approx(p_values(y, n, seed=1, splits=20), rel=1e-6)
    with pytest.raises(ValueError, match="same users; found 2 and 3"):
        aa_check(some, np.ones(3, int), seed=1)
    for share in (0, 1):
        with pytest.raises(ValueError, match="between 0 and 1"):
            aa_check(some, some, seed=1, share=share)
