"""Spark stages what DuckDB stages, of logs in all the forms that a log may have."""

from collections import Counter
from contextlib import closing
from copy import deepcopy
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import spark_logs
from recsys.attribution import sources
from recsys.attribution.engine.duckdb import DuckDB
from relation_logs import many

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

KEYS = ("tenant_id", "Tenant_ID", "a'b", "back\\slash", "é", "none")
ALIASES = {"1-u1": "somebody", "2-u1": "somebody"}
INSTANTS = [
    "2026-02-05T10:00:00.5Z",
    "2026-02-05t10:00:00.012z",
    "2026-02-05T10:00:00.123456+05:30",
    "1999-12-31T23:59:59Z",
]
COLUMNS = {
    "staged_exposures": "*",
    "staged_outcomes": "* EXCLUDE (row_number)",
    "staged_assignments": "*",
    "exposures_contexts": "*",
    "outcomes_contexts": "*",
    "assignments_contexts": "*",
    "propensities": "*",
    "item_propensities": "*",
}


def staged(engine, dataset):
    """The rows of all that is staged, as often as each stands there."""
    engine.stage(dataset.exposures, dataset.outcomes, dataset.assignments, KEYS, ALIASES)
    for role in ("exposures", "outcomes", "assignments"):
        engine.stage_contexts(f"{role}_contexts", role, getattr(dataset, role))
    engine.stage_propensities("propensities", dataset.exposures)
    engine.stage_item_propensities("item_propensities", dataset.exposures)
    found = {}
    for name, columns in COLUMNS.items():
        rows = engine.rows(f"SELECT {columns} FROM {name}")
        found[name] = Counter(tuple(map(_hashable, row)) for row in rows)
        assert found[name], name
    return found


def _hashable(value):
    return tuple(value) if isinstance(value, list) else value


def logs():
    """Logs full of trouble, with keys that no SQL likes, and propensities of which one differs from the other."""
    shown, done, assigned = deepcopy(many(60))
    for row, instant in zip(shown, INSTANTS, strict=False):
        row["ts"] = instant
    for number, row in enumerate(shown):
        if number % 3 == 0:
            row = shown[number] = {**row, "context": {**row.get("context", {}), "back\\slash": "\\", "a'b": "'\\"}}
        if number % 8 == 0:
            row = shown[number] = {**row, "context": {**row.get("context", {}), "propensity_kind": "joint"}}
        for item in row["items"]:
            if number % 4 == 0:
                item |= {"propensity": 0.25, "logging_propensity": 0.5, "target_propensity": 0.125 * (number % 8)}
    return {"exposures": shown, "outcomes": done, "assignments": assigned}


def test_lines(spark, tmp_path):
    """Of JSON lines all staged tables are the same, users under their present pseudonyms."""
    dataset = spark_logs.accepted(tmp_path, logs(), "jsonl")
    with closing(DuckDB(tmp_path)) as other:
        expected = staged(other, dataset)
    assert staged(spark, dataset) == expected
    assert any("somebody" in row for row in expected["staged_exposures"])


def table(shown, instants, ranks, **columns):
    """Exposures as a table: the type of the instants, that of the ranks, and further columns."""
    items = pa.struct([("item_id", pa.string()), ("rank", ranks)])
    listed = [[{key: item[key] for key in ("item_id", "rank")} for item in row["items"]] for row in shown]
    times = [datetime.fromisoformat(row["ts"].upper()).astimezone(UTC) for row in shown]
    named = {name: [row[name] for row in shown] for name in ("request_id", "user_id")}
    return pa.table({**named, "ts": pa.array(times, instants), "items": pa.array(listed, pa.list_(items)), **columns})


def test_tables_of_all_kinds(spark, tmp_path):
    """Of Parquet too, whatever types its columns have, with invalid rows left out, and of no rows at all."""
    shown, done, assigned = logs().values()
    micros, nanos = pa.timestamp("us", "Asia/Kolkata"), pa.timestamp("ns", "UTC")
    early = [row for row in shown if 1970 < datetime.fromisoformat(row["ts"].upper()).astimezone(UTC).year < 2200]
    count = len(early)
    latencies = pa.array([Decimal(n) / 8 for n in range(count)], pa.decimal128(9, 3))
    contexts = pa.array([[("é", str(n))] for n in range(count)], spark_logs.CONTEXT)
    kinds = [
        table(early, micros, pa.int64(), latency_ms=latencies),
        table(early, nanos, pa.uint32(), error=[n % 2 == 0 for n in range(count)]),
        table(early, micros, pa.uint64(), context=contexts),
        table(early, micros, pa.int32()).slice(0, 0),
    ]
    for bad in (False, True):
        folder = tmp_path / f"bad-{bad}"
        folder.mkdir()
        paths = [folder / f"{number} [x]*.parquet" for number in range(len(kinds))]
        for path, kind in zip(paths, kinds, strict=True):
            pq.write_table(kind, path)
        if bad:
            names = pa.array(["" if n % 5 == 0 else name for n, name in enumerate(kinds[0]["user_id"].to_pylist())])
            pq.write_table(kinds[0].set_column(1, "user_id", names), paths[0])
        outcomes = spark_logs.write_table(folder / "o.parquet", done, "outcomes")
        assignments = spark_logs.write_lines(folder / "a.jsonl", assigned)
        named = sources.from_options([*map(str, paths)], [outcomes], [assignments])
        dataset = sources.accept_dataset(named, folder)
        assert bool(dataset.exposures.invalid) == bad
        with closing(DuckDB(folder)) as other:
            expected = staged(other, dataset)
        assert staged(spark, dataset) == expected
