"""The sums over an experiment's units: against a plain-Python twin, and what counts in them, by hand."""

import hashlib
from datetime import timedelta

import numpy as np
import pytest

from experiment_oracle import Logs
from latency_bins import bins_of
from recsys.errors import ConfigError
from recsys.evaluation.experiment import impressions, measures, reduce
from recsys.evaluation.experiment.needs import Needs, needs, of_columns
from recsys.evaluation.experiment.unit_arrays import unit_arrays
from unit_checks import CHOSEN, EVERYTHING, check, joining, reduced
from unit_logs import START, at, random_logs

USER = CHOSEN["user"]


@pytest.mark.parametrize("name", CHOSEN)
@pytest.mark.parametrize("seed", range(3))
def test_every_figure_is_that_of_the_twin(name, seed):
    """Sums, products, buckets, slices, cap, latency, origins, maturity, match rates and impressions are equal, exactly,
    whatever the order of rows and the cut into files."""
    compare(name, seed)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", CHOSEN)
@pytest.mark.parametrize("first", range(100, 160, 15))
def test_every_figure_is_that_of_the_twin_on_more_logs(name, first):
    """The same, many times over; in parts, so that workers share them."""
    for seed in range(first, first + 15):
        compare(name, seed)


def compare(name, seed):
    logs = random_logs(seed)
    with joining(logs, CHOSEN[name][1], seed) as made:
        check(made, logs, CHOSEN[name], declared=10_000_000 if seed % 2 else None)


def shown(request, user, seconds=10, items=("a",), **context):
    listed = [{"item_id": item, "rank": rank} for rank, item in enumerate(items, 1)]
    return {"request_id": request, "user_id": user, "ts": at(seconds), "items": listed, "context": context}


def assigned(user, variant, seconds=0):
    return {"experiment_id": "x", "variant": variant, "request_id": f"of-{user}", "user_id": user, "ts": at(seconds)}


def done(request, seconds=11, value=None, item="a"):
    row = {"request_id": request, "user_id": "u", "item_id": item, "ts": at(seconds)}
    return row | ({"event_type": "click"} if value is None else {"event_type": "conversion", "value": value})


def sums_of(logs, needed, **options):
    with joining(logs, USER[1]) as made:
        return reduce.sums(reduced(made, USER[0], needed, **options))


def sold(values):
    """One unit for each value of a sale."""
    return Logs(
        [shown(f"r{n}", f"u{n}") for n in range(len(values))],
        [done(f"r{n}", value=value) for n, value in enumerate(values)],
        [assigned(f"u{n}", "AB"[n % 2]) for n in range(len(values))],
    )


def test_revenue_is_cut_at_the_99th_percentile_of_what_is_not_0():
    """It is NumPy's inverted distribution function of both arms together; refunds and units without revenue stay."""
    values = [0.0] * 200 + [float(n) for n in range(1, 251)] + [-5.0, 1e6, 2e6]
    found = sums_of(sold(values), of_columns("revenue", "revenue_uncapped"))
    limit = np.quantile([value for value in values if value], 0.99, method="inverted_cdf")
    assert (found.cap.micros, found.cap.quantile, found.cap.nonzero) == (round(limit * 1e6), 0.99, 253)
    assert found.cap.cut == sum(value > limit for value in values) == 2
    totals = [part.totals for part in found.arms.values()]
    assert sum(total["revenue"] for total in totals) == round(sum(min(value, limit) for value in values) * 1e6)
    assert sum(total["revenue_uncapped"] for total in totals) == round(sum(values) * 1e6)


@pytest.mark.parametrize("count", [1, 99, 100, 101, 200, 201])
def test_the_percentile_is_an_exact_order_statistic(count):
    """Exactly 99 % of 100 units are at or under the 99th: the next one is not taken."""
    found = sums_of(sold([float(n) for n in range(1, count + 1)]), of_columns("revenue")).cap
    assert found.micros == np.quantile(np.arange(1, count + 1), 0.99, method="inverted_cdf") * 1_000_000


def test_latencies_are_in_the_bins_of_the_histogram():
    """The engine's bin is that of statistics, at the lowest edge too; a list without a latency is told."""
    times = [0, 0.0005, 0.001, 0.00101, 1, 1.0109, 12.5, 300, 301.25, 1e6, 1e300]
    lists = [shown(f"r{n}", "u1") | {"latency_ms": time} for n, time in enumerate(times)]
    logs = Logs([*lists, shown("none", "u1")], [done("r1")], [assigned("u1", "A")])
    found = sums_of(logs, Needs(latency=True)).latency["A"]
    bins, counts = np.unique(bins_of(np.array(times)), return_counts=True)
    assert (found.histogram.bins.tolist(), found.histogram.counts.sum(axis=0).tolist()) == (
        bins.tolist(), counts.tolist()
    )  # fmt: skip
    assert (found.histogram.occupied, found.missing) == (1, 1)


@pytest.mark.parametrize(
    ("values", "declared", "expected"),
    [([0.0, 0.0], None, None), ([-5.0, -7.0], None, (0, 2, 0)), ([5.0, 7.0], 6_000_000, (6_000_000, 2, 1)),
     ([0.0], 6_000_000, (6_000_000, 0, 0)), ([5.0], 0, (0, 1, 1))],
)  # fmt: skip
def test_caps_of_little_revenue(values, declared, expected):
    """There is none without revenue, none below 0, and a declared one is taken as it is."""
    found = sums_of(sold(values), of_columns("revenue"), cap=declared).cap
    assert expected == (found and (found.micros, found.nonzero, found.cut))
    assert found is None or (found.quantile is None) == (declared is not None)


def test_sums_of_huge_values_are_exact():
    """Units with hundreds of the largest sales or refunds, squares of 43 digits: no sum overflows, none is rounded."""
    sizes = {"u0": [1e12 - n / 8 for n in range(300)], "u1": [n / 8 - 1e12 for n in range(300)]}
    logs = Logs(
        [shown(f"r-{user}", user) for user in sizes],
        [done(f"r-{user}", n + 11, value) for user, values in sizes.items() for n, value in enumerate(values)],
        [assigned(user, "A") for user in sizes],
    )
    with joining(logs, USER[1]) as made:
        settled = reduced(made, USER[0], of_columns("revenue", "conversions"), cap=10**30)
        found = reduce.sums(settled)
        y, n = unit_arrays(settled, "revenue", "conversions")
    total = sum(10**18 - n * 125_000 for n in range(300))
    arm = found.arms["A"]
    assert arm.totals["revenue"] == 0
    assert arm.product("revenue", "revenue") == 2 * total**2
    assert arm.product("revenue", "conversions") == 0
    assert arm.nonzero == {"revenue": 2, "conversions": 2}
    assert sorted(y.tolist()) == [-total, total]
    assert n.tolist() == [300, 300]


def test_history_ends_before_the_first_assignment():
    """Neither a list that was shown within the clocks' tolerance of it, nor what was done to an earlier one after it,
    is history; scores see no more than clicks."""
    logs = Logs(
        [shown("r1", "u1", -100), shown("r2", "u1", -60), shown("r3", "u1", -4), shown("r4", "u1", 5)],
        [done("r1", -90), done("r2", 1), done("r2", -3, item="a"), done("r3", -3), done("r4", 6)],
        [assigned("u1", "A")],
    )
    columns = ("pre_exposures", "pre_clicks", "pre_responded", "pre_score:hitrate@1", "clicks", "exposures")
    with joining(logs) as made:
        found = reduce.sums(reduced(made, USER[0], of_columns(*columns)))
    assert [found.arms["A"].totals[column] for column in columns] == [2, 1, 1, 2**40, 2, 2]


def test_unit_arrays_come_in_an_order_of_their_own():
    """They are the columns of all units, whatever the order of the logs, by a hash of the user's id."""
    logs = random_logs(5, people=40, requests=200)
    arrays = []
    for seed in (1, 2):
        with joining(logs, USER[1], seed, threads=seed) as made:
            settled = reduced(made, USER[0], of_columns("clicks", "exposures"))
            arrays.append(unit_arrays(settled, "clicks", "exposures"))
            alone, ones = unit_arrays(settled, "exposures", None)
            users = [user for (user,) in made.engine.rows("SELECT user_id FROM unit_values")]
            counts = dict(made.engine.rows("SELECT user_id, exposures FROM unit_values"))
    users.sort(key=lambda user: (hashlib.md5(f"recsys:{user}".encode()).hexdigest(), user))
    assert alone.tolist() == [counts[user] for user in users]
    assert ones.tolist() == [1] * len(users)
    for one, other in zip(*arrays, strict=True):
        assert one.dtype == np.int64
        assert one.tolist() == other.tolist()
    assert arrays[0][1].tolist() == alone.tolist()


def test_sums_do_not_depend_on_rows_files_or_threads():
    """The same log in another order, read by one thread or by four, has the same sums, to the last bit."""
    logs = random_logs(6, people=40, requests=200)
    texts = set()
    for seed in (1, 2, 3):
        with joining(logs, USER[1], seed, threads=seed) as made:
            found = reduce.sums(reduced(made, USER[0], by_day=True))
        arrays = {
            (place, arm): {name: array.tolist() for name, array in own.items()}
            for place, arms in found.slice_buckets.items()
            for arm, own in arms.items()
        }
        bins = {arm: (part.histogram.counts.tolist(), part.missing) for arm, part in found.latency.items()}
        texts.add(repr((found.arms, found.slices, found.days, found.cap, arrays, bins, sorted(found.occupied))))
    assert len(texts) == 1


def test_only_the_values_with_most_units_are_slices():
    """Of a key with very many values the others are counted, not dropped in silence."""
    logs = Logs(
        [shown(f"r{n}-{m}", f"u{m}", surface=f"s{n}") for n in range(103) for m in range(1 + (n >= 90))], [],
        [assigned("u0", "A"), assigned("u1", "B")],
    )  # fmt: skip
    found = sums_of(logs, of_columns("exposures"), slices=["surface"])
    assert found.left_out == {"surface": 3}
    assert len(found.slices) == reduce.MAX_SLICES
    assert all(("surface", f"s{n}") in found.slices for n in range(90, 103))
    assert found.slices["surface", "s0"]["B"].units == 0
    assert found.slices["surface", "s0"]["B"].total("exposures") == 0


def test_only_the_last_days_are_told():
    """An experiment of a year has its last 60 days on which something counts, in order."""
    logs = Logs([shown(f"r{n}", "u1", 2 * 86_400 * n) for n in range(70)], [], [assigned("u1", "A")])
    found = sums_of(logs, of_columns("exposures"), by_day=True).days
    assert len(found) == reduce.MAX_DAYS
    assert list(found) == [str((START + timedelta(days=2 * n)).date()) for n in range(10, 70)]


def test_nobody_is_no_error():
    """Of an experiment that has no unit until then there are no arms, no cap and no slices."""
    logs = random_logs(1)
    options = {"scope": "user", "as_of": CHOSEN["as of"][0]["as_of"].replace(year=2020)}
    with joining(logs) as made:
        settled = reduced(made, options, by_day=True)
        found = reduce.sums(settled)
        shares = impressions.impressions(settled, [])
        y, n = unit_arrays(settled, "clicks", "exposures")
    assert (found.arms, found.slices, found.days, found.latency, found.cap) == ({}, {}, {}, {}, None)
    assert (found.occupied, shares.items, shares.population, len(y), len(n)) == (frozenset(), (), 0, 0, 0)


def test_impressions_of_a_catalogue():
    """Items that are not in it are told, and those that were never shown count in the population."""
    logs = Logs([shown("r1", "u1", items=("a", "b", "c"))], [], [assigned("u1", "A")])
    with joining(logs, USER[1]) as made:
        made.engine.load("catalogue", {"item_id": "VARCHAR"}, [(item,) for item in ("a", "c", "d", "e")])
        settled = reduced(made, USER[0], Needs(spread=True, cuts=frozenset({2})))
        found = impressions.impressions(settled, ["A", "B"], catalogue=True)
    assert (found.items, found.listed.tolist(), found.population) == (("a", "b", "c"), [True, False, True], 4)
    assert found.arms["A"][None].sum(axis=0).tolist() == [1, 1, 1]
    assert found.arms["A"][2].sum(axis=0).tolist() == [1, 1, 0]
    assert not found.arms["B"][2].any()


@pytest.mark.parametrize(
    "wrong",
    [{"slices": ["nosuch"]}, {"buckets": 1000}, {"buckets": 0}, {"buckets": 8192}, {"cap": -1},
     {"needed": of_columns("nosuch")}, {"needed": of_columns("pre_revenue_uncapped")},
     {"needed": of_columns("score:gini")}],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_made_is_refused(wrong):
    """ConfigError for a key that was not staged, a number of buckets that is none, a negative cap, and columns that no
    unit has."""
    with joining(random_logs(1)) as made, pytest.raises(ConfigError):
        reduced(made, USER[0], **wrong)


def test_needs_are_those_of_all_measures():
    """Columns and pairs of each, revenue uncapped beside revenue, latency and cuts where a measure reads them."""
    names = ("ctr", "revenue_per_user", "mrr@2|responded", "latency_p95", "coverage@10", "gini")
    found = needs(measures.parse(name, "metrics") for name in names)
    assert found.columns == {
        "clicks", "exposures", "revenue", "revenue_uncapped", "score:mrr@2", "responded"
    }  # fmt: skip
    assert ("clicks", "exposures") in found.pairs
    assert ("responded", "score:mrr@2") in found.pairs
    assert ("exposures", "revenue") not in found.pairs
    assert (found.latency, found.spread, found.cuts) == (True, True, {10})
    assert needs([]) == Needs()
    assert EVERYTHING | found == found | EVERYTHING
