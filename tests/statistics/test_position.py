"""Examination by rank: by simulation with a known curve, and what is said where it cannot be known."""

import numpy as np
import pytest

from recsys.statistics.position import NO_CLICKS_LEFT, click_rates, examination, pair_sums

TRUTH = np.array([1.0, 0.6, 0.4, 0.3])
GROUPS = 32


def simulated(seed, users=2_000, *, confounded=False):
    """Four items in random order for each user. ``confounded``: half of the users like items 0 and 1 and have them on
    top 3 times in 4; the others like nothing much and have them there 1 time in 4. Arrays [4 items, 4 ranks, groups]
    of impressions, of the sums of 1/propensity, and of clicks/propensity; then the same with weights of 1."""
    rng = np.random.default_rng(seed)
    keen = rng.random(users) < 0.5
    liked = np.where(keen, 0.75, 0.25) if confounded else np.full(users, 0.5)
    on_top = rng.random(users) < liked
    sums = np.zeros((5, 4, 4, GROUPS))
    for user in range(users):
        pairs = [rng.permutation([0, 1]), rng.permutation([2, 3])]
        order = np.concatenate(pairs if on_top[user] else pairs[::-1])
        relevance = 0.8 if keen[user] or not confounded else 0.2
        for rank, item in enumerate(order):
            p = (liked[user] if (item < 2) == (rank < 2) else 1 - liked[user]) / 2
            click = rng.random() < TRUTH[rank] * relevance * (1.0 if item % 2 else 0.5)
            sums[:, item, rank, user % GROUPS] += (1, 1 / p, click / p, 1, click)
    return sums


def test_a_known_curve_is_recovered():
    """The examination of each rank lies within its interval, which is narrow, and the corrected rate is that of the
    relevance alone."""
    n, w, c, _, clicks = simulated(1)
    curve = examination(pair_sums(n, w, c))
    assert [point.rank for point in curve.points] == [1, 2, 3, 4]
    assert curve.ended == ""
    for point, truth in zip(curve.points[1:], TRUTH[1:], strict=True):
        found = point.examination
        assert found.low < truth < found.high
        assert found.high - found.low < 0.2
        assert point.strata == 4
        assert point.impressions == 2_000
    plain, corrected = click_rates(curve, n.sum(axis=0), clicks.sum(axis=0))
    assert corrected.low < 0.6 < corrected.high
    assert plain.value == pytest.approx(clicks.sum() / n.sum())
    assert plain.high < 0.4


def sorted_world(seed, users=3_000):
    """Two items, the better one on top 3 times in 4: impressions, 1/propensity and clicks/propensity, and plain
    clicks, as arrays [2 items, 2 ranks, groups]; and the mean relevance of what was shown."""
    rng = np.random.default_rng(seed)
    sums = np.zeros((4, 2, 2, GROUPS))
    relevance = np.array([0.6, 0.1])
    for user in range(users):
        swapped = rng.random() < 0.25
        p = 0.25 if swapped else 0.75
        for item in range(2):
            rank = item ^ swapped
            click = rng.random() < TRUTH[rank] * relevance[item]
            sums[:, item, rank, user % GROUPS] += (1, 1 / p, click / p, click)
    return (*sums, relevance.mean())


def test_the_corrected_rate_is_the_mean_relevance_where_the_best_is_on_top():
    """Clicks over examined impressions would be the relevance of what was looked at, which is above it."""
    n, w, c, clicks, truth = sorted_world(5)
    curve = examination(pair_sums(n, w, c))
    _, corrected = click_rates(curve, n.sum(axis=0), clicks.sum(axis=0))
    assert corrected.low < truth < corrected.high
    e = np.array([point.examination.value for point in curve.points])
    assert corrected.high < clicks.sum() / (n.sum(axis=(0, 2)) @ e)


def test_propensities_undo_who_gets_which_rank():
    """Where keen users get an item on top more often, its clicks there say too much; weighted they do not."""
    n, w, c, ones, clicks = (part[:2] for part in simulated(2, users=4_000, confounded=True))
    weighted = examination(pair_sums(n, w, c)).points[2].examination
    unweighted = examination(pair_sums(n, ones, clicks)).points[2].examination
    assert weighted.low < TRUTH[2] < weighted.high
    assert not unweighted.low < TRUTH[2] < unweighted.high


def test_with_one_propensity_it_is_the_risk_ratio_of_mantel_and_haenszel():
    """Equal propensities within a stratum cancel, and statsmodels pools the same risk ratio of 2 x 2 tables."""
    from statsmodels.stats.contingency_tables import StratifiedTable

    rng = np.random.default_rng(3)
    n = rng.integers(200, 900, (5, 2, 8))
    c = rng.binomial(n, 0.2)
    unit = rng.uniform(1, 50, (5, 2, 1))
    found = examination(pair_sums(n, n * unit, c * unit)).points[1].examination
    shown, clicked = n.sum(axis=2), c.sum(axis=2)
    tables = [[[k, m - k], [j, i - j]] for (i, m), (j, k) in zip(shown, clicked, strict=True)]
    assert found.value == pytest.approx(StratifiedTable(tables).riskratio_pooled, rel=1e-12)


def test_batches_of_strata_add():
    """The sums of some strata and of the others are those of all."""
    n, w, c, *_ = simulated(4, users=300)
    whole = pair_sums(n, w, c)
    added = pair_sums(n[:1], w[:1], c[:1]) + pair_sums(n[1:], w[1:], c[1:])
    assert np.allclose(whole.upper, added.upper, rtol=1e-12)
    assert np.allclose(whole.lower, added.lower, rtol=1e-12)
    assert (whole.strata == added.strata).all()
    assert (whole.at_rank == added.at_rank).all()


def cells(shown, clicked):
    """One stratum on 32 groups of users that are not quite alike: impressions and clicks at each rank."""
    spread = np.ones((1, len(shown), GROUPS), dtype=int)
    n = spread * np.array(shown)[None, :, None]
    c = spread * np.array(clicked)[None, :, None]
    c[:, :, ::2] *= 2
    return n, c


@pytest.mark.parametrize(
    ("shown", "clicked", "ranks", "told"),
    [
        ((50, 50, 50), (5, 4, 3), 3, ""),
        ((50, 50, 3), (5, 4, 1), 2, "rank 3 has 96 impressions of items that were also shown at rank 2, under 100"),
        ((3, 50, 50), (1, 5, 5), 0, "rank 1 has 96 impressions of items that were also shown at rank 2, under 100"),
        ((50, 0, 50), (5, 0, 5), 0, "no item was shown at both rank 1 and rank 2 for the same query by chance"),
        ((50, 50), (5, 0), 0, "nothing was clicked at rank 2 that was also shown at rank 1"),
        ((50, 50), (0, 5), 0, "nothing was clicked at rank 1 that was also shown at rank 2"),
        ((50,), (5,), 0, "no list has two ranks"),
    ],
)
def test_where_the_curve_ends_it_says_why(shown, clicked, ranks, told):
    """Too few impressions, no shared item or no click ends the chain; nothing is made up beyond it."""
    n, c = cells(shown, clicked)
    curve = examination(pair_sums(n, n, c))
    assert (len(curve.points), curve.ended) == (ranks, told)
    plain, corrected = click_rates(curve, n[0], c[0])
    assert (corrected.value is None) == (ranks == 0) == (plain.value is None)


def test_no_interval_where_one_group_has_all_the_clicks():
    """The ratio stands, without an interval, where leaving out one group leaves a rank without a click; and where users
    fall into few groups."""
    n, c = cells((50, 50), (5, 0))
    c[0, 1, 7] = 9
    found = examination(pair_sums(n, n, c)).points[1].examination
    assert (found.low, found.high, found.note) == (None, None, NO_CLICKS_LEFT)
    _, corrected = click_rates(examination(pair_sums(n, n, c)), n[0], c[0])
    assert (corrected.low, corrected.high, corrected.note) == (None, None, NO_CLICKS_LEFT)
    assert corrected.value == pytest.approx(2 * c[0, 0].sum() / n.sum())
    n, c = cells((50, 50), (5, 4))
    few = examination(pair_sums(n[:, :, :5], n[:, :, :5], c[:, :, :5])).points[1].examination
    assert few.value == pytest.approx(0.8)
    assert few.low is None
    assert "5 groups" in few.note


def coverage(runs):
    """How often the interval of rank 3 holds the truth."""
    hits = 0
    for seed in range(runs):
        n, w, c, *_ = simulated(seed + 100, users=400)
        found = examination(pair_sums(n, w, c)).points[2].examination
        hits += found.low < TRUTH[2] < found.high
    return hits / runs


@pytest.mark.long
def test_intervals_hold_the_truth_as_often_as_they_say():
    """Of 400 simulated logs of 400 users, about 95 % of the intervals hold the truth."""
    assert 0.92 < coverage(400) < 0.98


def test_intervals_hold_the_truth():
    """The short form: 8 logs, of which at most 2 intervals miss, which 95 % ones exceed with a chance of 0.6 %."""
    assert coverage(8) >= 0.75
