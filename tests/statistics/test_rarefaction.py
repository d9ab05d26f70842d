"""Coverage, Gini and novelty at equal impressions: arms that differ in size only do not differ, others do."""

import numpy as np
import pytest
import scipy.special
import scipy.stats

from recsys.statistics.rarefaction import Shown, coverage, gini, novelty, spread_difference
from recsys.statistics.ratio import t_quantile

ITEMS, GROUPS = 300, 64
STATISTICS = {"coverage": coverage(ITEMS), "gini": gini(ITEMS), "novelty": novelty}


def arm(rng, users, steep=1.1):
    """Users with five favourite items each, drawn by popularity, that they are shown again and again."""
    popularity = np.arange(1, ITEMS + 1) ** -steep
    own = rng.choice(ITEMS, (users, 5), p=popularity / popularity.sum())
    user = np.repeat(np.arange(users), 3 * np.minimum(rng.pareto(1.3, users) + 1, 20).astype(int))
    counts = np.zeros((GROUPS, ITEMS), dtype=np.int64)
    np.add.at(counts, (rng.integers(0, GROUPS, users)[user], own[user, rng.integers(0, 5, len(user))]), 1)
    return Shown(counts)


def by_single_impressions(counts, n):
    """Hurlbert's expected coverage of ``n`` impressions without replacement."""
    total, log = counts.sum(), scipy.special.gammaln
    rest = np.maximum(total - counts - n, 0)
    absent = np.exp(log(total - counts + 1) - log(rest + 1) - log(total + 1) + log(total - n + 1))
    return (1 - np.where(total - counts >= n, absent, 0)).sum() / ITEMS


def plain(name, counts):
    """The figure of one row of counts, from its definition."""
    seen = counts[counts > 0]
    share = seen / seen.sum()
    if name == "coverage":
        return len(seen) / ITEMS
    if name == "novelty":
        return -(share * np.log2(share)).sum()
    return np.abs(counts[:, None] - counts[None]).sum() / (2 * len(counts) ** 2 * counts.mean())


def as_it_is(shown, statistic):
    """The figure of an arm at all of its impressions."""
    cut = shown.cut.sum(axis=0, keepdims=True)
    return statistic(cut, cut if shown.beyond is None else cut + shown.beyond.sum(axis=0))[0]


@pytest.mark.parametrize("name", STATISTICS)
def test_a_figure_is_that_of_its_definition(name):
    """Of all impressions, and of what the smaller arm shows in a comparison, which nothing is drawn of."""
    one, other = arm(np.random.default_rng(1), 200), arm(np.random.default_rng(2), 400)
    wanted = pytest.approx(plain(name, one.cut.sum(axis=0)), rel=1e-9)
    assert as_it_is(one, STATISTICS[name]) == wanted
    assert spread_difference(one, other, STATISTICS[name], seed=1).control == wanted


@pytest.mark.parametrize("name", STATISTICS)
def test_the_error_of_an_arm_is_that_of_a_plain_jackknife(name):
    """Against a larger arm that shows one item alone, whose figure is the same at every depth, all error is the other
    arm's: that of leaving out each of its groups in turn."""
    one, same = arm(np.random.default_rng(1), 200), np.zeros((GROUPS, ITEMS), dtype=np.int64)
    same[:, 0] = one.impressions
    found = spread_difference(one, Shown(same), STATISTICS[name], seed=1)
    left = [plain(name, np.delete(one.cut, g, axis=0).sum(axis=0)) for g in range(GROUPS) if one.cut[g].any()]
    assert found.degrees == len(left) - 1
    assert found.se == pytest.approx(np.sqrt((len(left) - 1) * np.var(left)), rel=1e-9)


@pytest.mark.parametrize("name", STATISTICS)
def test_equal_sizes_need_no_draw(name):
    """Of arms with equal impressions the difference is the raw one, with any seed."""
    one, other = arm(np.random.default_rng(2), 200), arm(np.random.default_rng(3), 200)
    more = max(one.impressions, other.impressions)
    one.cut[0, 0] += more - one.impressions
    other.cut[0, 0] += more - other.impressions
    found = [spread_difference(one, other, STATISTICS[name], seed=seed) for seed in (1, 2)]
    raw = plain(name, other.cut.sum(axis=0)) - plain(name, one.cut.sum(axis=0))
    assert [each.value for each in found] == pytest.approx([raw, raw], rel=1e-9)
    assert found[0].impressions == more


def runs(name, sizes, count, seed, *, steep=1.1):
    """Of so many pairs of arms: distance of the difference from 0 in standard errors, differences, raw ones, errors."""
    rng, rows = np.random.default_rng(seed), []
    for run in range(count):
        one, other = arm(rng, sizes[0]), arm(rng, sizes[1], steep)
        found = spread_difference(one, other, STATISTICS[name], seed=run)
        raw = as_it_is(other, STATISTICS[name]) - as_it_is(one, STATISTICS[name])
        rows.append((found.value / found.se / t_quantile(found.degrees, 0.95), found.value, raw, found.se))
    return np.array(rows).T


@pytest.mark.parametrize("name", STATISTICS)
def test_a_difference_of_size_is_none_of_kind_short(name):
    """Arms of one to nine: the raw figures lie many errors apart, those at equal impressions do not."""
    distance, value, raw, se = runs(name, (150, 1_350), 12, 4)
    assert abs(raw.mean()) > 2.5 * se.mean()
    assert abs(value.mean()) < 4 * se.mean() / np.sqrt(12)
    assert (np.abs(distance) > 1).sum() <= 3


@pytest.mark.parametrize("sizes", [(150, 1_350), (1_350, 150)])
def test_single_impressions_would_find_a_difference(sizes):
    """Why groups are drawn: rarefied by single impressions, equal arms seem to differ in coverage by several errors."""
    rng, found = np.random.default_rng(5), []
    for run in range(6):
        one, other = arm(rng, sizes[0]), arm(rng, sizes[1])
        n = min(one.impressions, other.impressions)
        wrong = by_single_impressions(other.cut.sum(axis=0), n) - by_single_impressions(one.cut.sum(axis=0), n)
        found.append((wrong, spread_difference(one, other, coverage(ITEMS), seed=run).se))
    wrong, se = np.array(found).mean(axis=0)
    assert abs(wrong) > 3 * se


@pytest.mark.long
@pytest.mark.parametrize("sizes", [(400, 400), (400, 3_600), (1_500, 500)])
@pytest.mark.parametrize("name", STATISTICS)
def test_intervals_cover(name, sizes):
    """95 % intervals of the difference of arms that differ in size only hold 0 in 93 % of the runs or more."""
    count = 400
    distance, value, raw, se = runs(name, sizes, count, 6)
    held = (np.abs(distance) <= 1).mean()
    print(
        f"\n{name} {sizes}: holds 0 in {held:.1%}; mean {value.mean():.5f}, raw {raw.mean():.5f}, error {se.mean():.5f}"
    )
    assert held > 0.93
    assert abs(value.mean()) < 4 * value.std() / np.sqrt(count)


@pytest.mark.parametrize(("name", "sign"), [("coverage", -1), ("gini", 1), ("novelty", -1)])
def test_a_difference_of_kind_is_found(name, sign):
    """A steeper popularity in an arm of another size: less coverage and novelty, more inequality, beyond the errors."""
    distance, *_ = runs(name, (1_500, 500), 4, 7, steep=1.4)
    assert (sign * distance > 1).all()


def test_novelty_looks_at_all_ranks():
    """Within the cut are the impressions that are averaged; the shares are of all impressions."""
    rng = np.random.default_rng(8)
    cut, beyond = rng.poisson(3, (10, 20)), rng.poisson(5, (10, 20))
    inside, overall = cut.sum(axis=0), (cut + beyond).sum(axis=0)
    wanted = pytest.approx(-(inside * np.log2(overall / overall.sum())).sum() / inside.sum())
    larger = Shown(np.tile(cut, (3, 1)), np.tile(beyond, (3, 1)))
    compared = spread_difference(Shown(cut, beyond), larger, novelty, seed=1)
    assert compared.control == wanted
    assert abs(compared.value) < 3 * compared.se
    assert compared.impressions == cut.sum()


def test_both_arms_have_the_same_impressions_in_every_draw():
    """Of the number of impressions itself there is no difference, nor an error, whichever group is left out."""
    one, other = arm(np.random.default_rng(11), 150), arm(np.random.default_rng(12), 900)
    for arms in ((one, other), (other, one)):
        found = spread_difference(*arms, lambda cut, _: cut.sum(axis=1), seed=1)
        assert (found.control, found.candidate) == (one.impressions, one.impressions)
        assert (found.value, found.se, found.note[:20]) == (0.0, None, "groups do not differ")


@pytest.mark.parametrize("name", STATISTICS)
def test_which_arm_is_the_control_is_a_sign(name):
    """With the arms in turn, the difference changes its sign and the error stays, within what the draws do."""
    one, other = arm(np.random.default_rng(13), 150), arm(np.random.default_rng(14), 900)
    rows = []
    for seed in (10, 20, 30):
        there, back = (spread_difference(*arms, STATISTICS[name], seed=seed) for arms in ((one, other), (other, one)))
        rows.append((there.value + back.value, there.se, back.se))
    apart, there, back = np.mean(rows, axis=0)
    assert abs(apart) < 0.5 * there
    assert there == pytest.approx(back, rel=0.15)


def test_the_larger_arm_is_taken_at_the_depth_of_the_smaller():
    """Its figure is of as many impressions, by draws that the seed decides."""
    one, other = arm(np.random.default_rng(9), 500), arm(np.random.default_rng(10), 150)
    found = spread_difference(one, other, coverage(ITEMS), seed=1)
    assert found.impressions == other.impressions < one.impressions
    assert found.control < as_it_is(one, coverage(ITEMS))
    assert found == spread_difference(one, other, coverage(ITEMS), seed=1)
    assert found != spread_difference(one, other, coverage(ITEMS), seed=2)


def test_what_has_no_interval_says_why():
    """Nothing shown, one group, groups that do not differ: no interval, and a word on it."""
    nothing, some = Shown(np.zeros((4, 3), int)), Shown(np.array([[1, 2, 0], [0, 3, 1], [2, 0, 0], [0, 0, 0]]))
    assert spread_difference(nothing, some, novelty, seed=1).note == "an arm was shown nothing"
    one = Shown(np.array([[1, 2, 0]]))
    assert "one group" in spread_difference(one, some, novelty, seed=1).note
    still = Shown(np.ones((4, 3), int))
    same = spread_difference(still, still, coverage(3), seed=1)
    assert (same.value, same.se, same.note[:20]) == (0.0, None, "groups do not differ")
    assert "rough" in spread_difference(some, some, gini(3), seed=1).note
