"""Nothing of a record is lost, and it is where it belongs."""

import json
import tempfile
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import strategies
from compact_worlds import SCHEMAS, decoded, exposure, outcome, parts, records, records_of, run, write
from recsys.attribution.compact.layout import UNKNOWN, escaped
from recsys.attribution.engine import parquet

ROLES = sorted(SCHEMAS)
WITH_ALL = {
    "request_id": "r", "user_id": "u", "ts": "2026-02-05T12:00:00.000001+02:00",
    "items": [
        {"item_id": "a", "rank": 1, "propensity": 0.1, "logging_propensity": 0.2, "target_propensity": 0.3},
        {"item_id": "a", "rank": 2147483647, "target_propensity": 1},
    ],
    "context": {"tenant_id": "a/b", "surface": "", "A": "1", "a": "2"}, "latency_ms": 0.1, "error": False,
}  # fmt: skip


def key(record):
    """A record as a value that can be counted; instants are compared in UTC, -0.0 is 0."""
    plain = msgspec.to_builtins(record, builtin_types=(datetime,))
    plain["ts"] = plain["ts"].astimezone(UTC).isoformat()
    return json.dumps(plain, sort_keys=True).replace("-0.0", "0.0")


@settings(max_examples=8, deadline=None)
@given(st.data(), st.sampled_from(ROLES))
def test_what_is_read_back_is_what_was_logged(data, role):
    """Any valid lines, in any spelling: another library reads the same records, each in the folder of its tenant,
    surface and UTC day, and our own check accepts every row."""
    lines = data.draw(st.lists(strategies.lines(SCHEMAS[role]), min_size=1, max_size=12))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = write(folder / "log.jsonl", lines)
        [done] = run(folder / "out", **{role: [log]})
        assert (done.rows, done.invalid) == (len(lines), 0)
        there = records(folder / "out", role)
        assert Counter(map(key, there)) == Counter(key(decoded(line, role)) for line in lines)
        for path in parts(folder / "out", role):
            for record in records_of(path, role):
                context = record.context or {}
                tenant, surface = context.get("tenant_id"), context.get("surface")
                day = json.loads(key(record))["ts"][:10]
                placed = [f"tenant_id={escaped(tenant)}", f"surface={escaped(surface)}", f"day={day}"]
                assert list(path.relative_to(folder / "out" / role).parts[:-1]) == placed
        found = parquet.accept([str(folder / "out" / role)], role, scratch=folder)
        assert (found.rows, found.invalid) == (len(lines), 0)


def test_every_field_of_the_contract(tmp_path):
    """All fields at once, among them three propensities, keys of the context that differ in case, and an instant with
    an offset; and what is absent stays absent."""
    bare = {"request_id": "s", "user_id": "u", "ts": "2026-02-05T10:00:00Z", "items": []}
    run(tmp_path / "out", exposures=[write(tmp_path / "e.jsonl", [WITH_ALL, bare, bare | {"context": {}}])])
    there = {record.request_id: record for record in records(tmp_path / "out", "exposures")}
    assert there["r"] == decoded(json.dumps(WITH_ALL).encode(), "exposures")
    assert {str(record.context) for record in records(tmp_path / "out", "exposures") if record.request_id == "s"} == {
        "UNSET", "{}"
    }  # fmt: skip
    assert (tmp_path / "out/exposures/tenant_id=a%2Fb/surface=/day=2026-02-05").is_dir()


def test_the_columns_are_those_of_the_log(tmp_path):
    """Exactly the fields of the record, an instant in UTC, and no column of a folder."""
    run(tmp_path / "out", exposures=[write(tmp_path / "e.jsonl", [exposure(1)])],
        outcomes=[write(tmp_path / "o.jsonl", [outcome(1)])])  # fmt: skip
    [shown], [done] = parts(tmp_path / "out", "exposures"), parts(tmp_path / "out", "outcomes")
    assert pq.read_schema(shown).names == [
        "request_id", "user_id", "ts", "items", "context", "latency_ms", "error"
    ]  # fmt: skip
    assert pq.read_schema(done).names == [
        "request_id", "user_id", "item_id", "event_type", "ts", "value", "event_id", "context"
    ]  # fmt: skip
    assert pq.read_schema(done).field("ts").type == pa.timestamp("us", tz="UTC")


@pytest.mark.parametrize("ts", ["1970-01-01T00:30:00+01:00", "2200-12-31T23:59:59.999999-00:01"])
def test_an_offset_that_leads_out_of_the_years_of_an_instant(tmp_path, ts):
    """Such a line is valid, and no instant of a Parquet log may be then: its text stands for it."""
    log = write(tmp_path / "o.jsonl", [outcome(1, ts=ts), outcome(2)])
    run(tmp_path / "out", outcomes=[log])
    found = parquet.accept([str(tmp_path / "out/outcomes")], "outcomes", scratch=tmp_path)
    assert (found.rows, found.invalid) == (2, 0)
    assert decoded(json.dumps(outcome(1, ts=ts)).encode(), "outcomes") in records(tmp_path / "out", "outcomes")


def test_rows_without_a_key_are_kept_together(tmp_path):
    """No tenant, no surface, no context at all: a folder of its own, which no value can be taken for."""
    rows = [outcome(1, context={}), outcome(2, context={"tenant_id": UNKNOWN, "surface": "home"}), outcome(1)]
    del rows[2]["context"]
    run(tmp_path / "out", outcomes=[write(tmp_path / "o.jsonl", rows)])
    there = {path.relative_to(tmp_path / "out").parts[1]: path for path in parts(tmp_path / "out", "outcomes")}
    assert sorted(there) == ["tenant_id=%5F_unknown__", "tenant_id=__unknown__"]
    assert len(records_of(there["tenant_id=__unknown__"], "outcomes")) == 2
    assert unquote("%5F_unknown__") == UNKNOWN


def test_a_part_is_sorted_and_in_groups(tmp_path):
    """Rows go by request_id, then by time, in groups whose statistics lead a look-up to one of them."""
    rows = [outcome(number, request_id=f"r{number * 7919 % 50021:06}", ts="2026-02-05T10:00:00Z", context={})
            for number in range(50_021)]  # fmt: skip
    late = outcome(0, request_id="r000000", ts="2026-02-05T11:00:00Z", context={})
    run(tmp_path / "out", outcomes=[write(tmp_path / "o.jsonl", [late, *rows])])
    [path] = parts(tmp_path / "out", "outcomes")
    there = records_of(path, "outcomes")
    assert [record.request_id for record in there] == sorted(["r000000", *(row["request_id"] for row in rows)])
    assert there[0].ts < there[1].ts
    footer = pq.ParquetFile(path).metadata
    ranges = [
        (footer.row_group(number).column(0).statistics.min, footer.row_group(number).column(0).statistics.max)
        for number in range(footer.num_row_groups)
    ]
    assert len(ranges) == 3
    assert sum(low <= "r031415" <= high for low, high in ranges) == 1
