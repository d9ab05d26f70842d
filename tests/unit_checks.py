"""Whether all figures of an experiment that an engine makes are those of the plain-Python twin, exactly."""

import random
import tempfile
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import numpy as np

import spark_logs
import units_oracle as twin
from experiment_oracle import Asked
from recsys.attribution import experiment
from recsys.attribution.engine.duckdb import DuckDB
from recsys.attribution.policy import Policy
from recsys.evaluation.experiment import impressions, match_rates, maturity, origins, reduce
from recsys.evaluation.experiment.needs import Needs, of_columns
from recsys.evaluation.experiment.settle import settle_units
from relations_oracle import World
from unit_logs import KEYS, START

PRE = [f"pre_{name}" for name in twin.COLUMNS]
COLUMNS = sorted([*twin.COLUMNS, "revenue_uncapped", *PRE, "has_history", "covariate", "has_covariate"])
EVERYTHING = of_columns(*COLUMNS) | Needs(latency=True, spread=True, cuts=frozenset({1, 2}))
CHOSEN = {
    "request": ({"scope": "request"}, Policy()),
    "user": ({"scope": "user"}, Policy(tolerance_s=0.0)),
    "as of": (
        {"scope": "user", "as_of": START + timedelta(seconds=100)},
        Policy(windows_s={"click": 40.0, "conversion": None}),
    ),
}


@contextmanager
def joining(logs, policy=None, seed=0, **options):
    """The join of a log, its rows in any order, cut into files."""
    world = World(logs.exposures, logs.outcomes, logs.assignments, keys=KEYS, policy=policy or Policy())
    with tempfile.TemporaryDirectory() as name, closing(DuckDB(Path(name), **options)) as engine:
        yield spark_logs.joined(engine, Path(name), world, "jsonl", random.Random(seed))


def twin_of(options, policy):
    """The same choices for the twin."""
    as_of = options.get("as_of")
    window = round((policy.windows_s.get("click") or 0) * 1e6)
    tolerance = round(policy.tolerance_s * 1e6)
    chosen = {"tolerance_us": tolerance} | ({"windows_us": {"click": window}} if window else {})
    return Asked(
        "x", scope=options["scope"], as_of_us=None if as_of is None else round(as_of.timestamp() * 1e6),
        window_us=window, tolerance_us=tolerance, policy=chosen, keys=KEYS,
    )  # fmt: skip


def reduced(made, options, needed=EVERYTHING, **more):
    """The units of experiment x in the engine."""
    experiment.prepare(made, options.get("as_of"))
    experiment.settle(made, experiment.Asked(experiment_id="x", **options))
    return settle_units(made, needed, covariate="price", **more)


def check(made, logs, chosen, needed=EVERYTHING, declared=None):
    """All figures of a log are those of the twin. ``declared``: a cap of revenue, else it is the percentile."""
    options, policy = chosen
    settled, asked = reduced(made, options, needed, cap=declared, by_day=True), twin_of(options, policy)
    found, rows = reduce.sums(settled), twin.unit_rows(logs, asked)
    limit = twin.cap(rows, declared)
    assert (found.cap and (found.cap.micros, found.cap.nonzero, found.cap.cut)) == limit
    most = limit[0] if limit else 0
    arms = sorted({row["variant"] for row in rows.values()})
    assert list(found.arms) == arms
    assert found.occupied == {twin.fine(user) for _, user in rows}
    _check_sums(found.arms, None, "", twin.capped(rows, most), arms, needed.pairs)
    by_day = twin.capped(twin.unit_rows(logs, asked, "day"), most)
    assert list(found.days) == sorted({day for day, _ in by_day})
    for day, own in found.days.items():
        _check_sums(own, None, day, by_day, arms, needed.pairs)
    for place, key in enumerate(KEYS, 1):
        if key != "price":
            parts = twin.capped(twin.unit_rows(logs, asked, place), most)
            values = {value for value, _ in parts}
            assert {value for name, value in found.slices if name == key} == values
            for value in values:
                _check_sums(found.slices[key, value], found.slice_buckets[key, value], value, parts, arms, needed.pairs)
    for arm in arms:
        cells, missing = twin.latencies(logs, asked, arm, 1024)
        table = found.latency[arm].histogram
        assert found.latency[arm].missing == missing
        assert {
            (b, int(table.bins[c])): int(table.counts[b, c]) for b, c in zip(*table.counts.nonzero(), strict=True)
        } == cells
    _check_others(made, settled, logs, asked, arms)


def _check_sums(by_arm, by_bucket, value, rows, arms, pairs):
    expected = twin.aggregates(rows, arms, COLUMNS, pairs).get(value, {})
    in_buckets = {} if by_bucket is None else twin.buckets(rows, arms, COLUMNS, 1024).get(value, {})
    for arm in arms:
        own = by_arm[arm]
        assert (own.units, own.totals, own.products, own.nonzero) == expected[arm]
        if by_bucket is None:
            continue
        assert set(by_bucket[arm]) == {"units", *COLUMNS}
        for column, array in by_bucket[arm].items():
            assert len(array) == 1024
            assert {n: int(array[n]) for n in np.flatnonzero(array)} == {
                n: v for n, v in in_buckets[arm][column].items() if v
            }


def _check_others(made, settled, logs, asked, arms):
    assert origins.origins(made, KEYS) == twin.origins(logs, asked)
    grown = maturity.maturity(made)
    assert (grown.end_us, grown.delays, grown.ages) == twin.maturity(logs, asked)
    rates, (users, unknown) = match_rates.match_rates(made), twin.match_rates(logs, asked)
    assert rates.unknown == unknown
    assert {arm: (m.units, m.y, m.n, m.yy, m.yn, m.nn) for arm, m in rates.arms.items()} == {
        arm: (len(own), sum(y for y, _ in own.values()), sum(n for _, n in own.values()),
              *(sum(a * b for a, b in pairs)
                for pairs in ([(y, y) for y, _ in own.values()], own.values(), [(n, n) for _, n in own.values()])))
        for arm, own in users.items()
    }  # fmt: skip
    shown = impressions.impressions(settled, arms)
    assert list(shown.items) == sorted(shown.items)
    assert shown.population == len(shown.items)
    for cut in (None, 1, 2):
        expected = twin.impressions(logs, asked, cut)
        for arm in arms:
            table = shown.arms[arm][cut]
            assert table.shape == (32, len(shown.items))
            cells = {(g, shown.items[i]): int(table[g, i]) for g, i in zip(*table.nonzero(), strict=True)}
            assert cells == expected[arm]
