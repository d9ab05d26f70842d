"""Where a mismatch comes from: against scipy, value by value, and planted faults that must come first."""

import numpy as np
import pytest
import scipy.stats

from recsys.statistics.srm_drilldown import rank_sources

WEIGHTS = {"A": 1, "B": 1}


def planted(rng, key, value, loss, weights=(0.5, 0.5), users=100_000):
    """Units by (key, value) and arm, of an experiment that loses a share of arm B where ``key`` has ``value``."""
    columns = {
        "country": rng.choice(["de", "fr", "us", "jp"], users, p=[0.4, 0.3, 0.25, 0.05]),
        "device": rng.choice(["phone", "desk"], users, p=[0.7, 0.3]),
        "version": np.full(users, "1.4"),
        "day": rng.integers(1, 15, users).astype(str),
    }
    arm = rng.choice(["A", "B"], users, p=weights)
    gone = (columns[key] == value) & (arm == "B") & (rng.random(users) < loss)
    table = {}
    for name, column in columns.items():
        for what in np.unique(column):
            here = arm[(column == what) & ~gone]
            table[name, str(what)] = {"A": int((here == "A").sum()), "B": int((here == "B").sum())}
    return table


def test_each_figure_is_scipys():
    """Statistic and p are of scipy's chi-square of the value; the fall is a plain recomputation."""
    table = planted(np.random.default_rng(1), "device", "desk", 0.1)
    for source in rank_sources(table, {"A": 3, "B": 2}):
        row = [table[source.key, source.value][arm] for arm in "AB"]
        oracle = scipy.stats.chisquare(row, [sum(row) * 0.6, sum(row) * 0.4])
        assert (source.statistic, source.p) == pytest.approx((oracle.statistic, oracle.pvalue), rel=1e-9, abs=1e-300)
        rows = np.array([[arms["A"], arms["B"]] for (key, _), arms in table.items() if key == source.key])
        whole, rest = rows.sum(axis=0), rows.sum(axis=0) - row
        before = scipy.stats.chisquare(whole, whole.sum() * np.array([0.6, 0.4])).statistic
        after = scipy.stats.chisquare(rest, rest.sum() * np.array([0.6, 0.4])).statistic if rest.sum() else 0.0
        assert source.fall == pytest.approx(1 - after / before)


@pytest.mark.parametrize(
    ("key", "value", "loss"),
    [("country", "fr", 0.3), ("device", "desk", 0.3), ("day", "3", 0.8), ("country", "jp", 0.9)],
)
@pytest.mark.parametrize("weights", [(0.5, 0.5), (0.9, 0.1)])
def test_a_planted_culprit_comes_first(key, value, loss, weights):
    """Whichever value loses units of B, it is the first of the list, and has too few of them."""
    for seed in range(5):
        first, *others = rank_sources(
            planted(np.random.default_rng(seed), key, value, loss, weights), dict(zip("AB", weights, strict=True))
        )
        assert (first.key, first.value) == (key, value)
        assert first.observed["B"] < first.expected["B"]
        assert first.fall > 0.5
        assert first.p < 1e-6
        assert all(first.statistic >= other.statistic for other in others if not other.rough)


def test_small_values_come_last():
    """A value with three units can have any division: it is marked as rough and stands at the end."""
    table = {("browser", "rare"): {"A": 4, "B": 0}, ("browser", "common"): {"A": 500, "B": 520}}
    assert [source.value for source in rank_sources(table, WEIGHTS)] == ["common", "rare"]
    assert [source.rough for source in rank_sources(table, WEIGHTS)] == [False, True]


def test_what_there_is_nothing_to_say_of():
    """No table, no units, one arm, shares that are met exactly: no made-up figure. Foreign arms are left out."""
    assert rank_sources({}, WEIGHTS) == []
    (nothing,) = rank_sources({("k", "v"): {}}, WEIGHTS)
    assert (nothing.p, nothing.fall) == (None, None)
    (met,) = rank_sources({("k", "v"): {"A": 50, "B": 50, "typo": 7}}, WEIGHTS)
    assert (met.p, met.fall, met.observed) == (1.0, None, {"A": 50, "B": 50})
    (alone,) = rank_sources({("k", "v"): {"A": 50}}, {"A": 1})
    assert alone.p is None
    with pytest.raises(ValueError, match="weights must"):
        rank_sources({}, {"A": 0})
