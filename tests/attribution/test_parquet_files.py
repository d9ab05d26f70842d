"""Parquet as other programs write it: types of columns, names of files and folders, files that are none."""

import hashlib
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys.attribution import join, sources
from recsys.attribution.engine import parquet
from recsys.attribution.engine.duckdb import DuckDB
from recsys.attribution.policy import Policy
from recsys.errors import InputError, UsageError

MOMENT = datetime(2026, 2, 5, 10, tzinfo=UTC)
MICROS = 1_770_285_600_000_000
ITEMS = pa.list_(pa.struct({"item_id": pa.string(), "rank": pa.int64()}))
INSTANT = pa.timestamp("us", tz="UTC")


def exposures(n=2, **replaced):
    """A table of ``n`` exposures of item a; ``replaced`` gives other columns, None leaves one out."""
    columns = {
        "request_id": pa.array([f"r{place}" for place in range(n)], pa.string()),
        "user_id": pa.array(["u"] * n, pa.string()),
        "ts": pa.array([MOMENT] * n, INSTANT),
        "items": pa.array([[{"item_id": "a", "rank": 1}]] * n, ITEMS),
    }
    return pa.table({name: values for name, values in (columns | replaced).items() if values is not None})


def outcomes(n=2, **replaced):
    """A table of ``n`` clicks on item a, 5 s after the exposures."""
    columns = {
        "request_id": pa.array([f"r{place}" for place in range(n)], pa.string()),
        "user_id": pa.array(["u"] * n, pa.string()),
        "item_id": pa.array(["a"] * n, pa.string()),
        "event_type": pa.array(["click"] * n, pa.string()),
        "ts": pa.array([MOMENT + timedelta(seconds=5)] * n, INSTANT),
    }
    return pa.table({name: values for name, values in (columns | replaced).items() if values is not None})


@pytest.fixture
def joined(tmp_path):
    """A function from specs of both logs to the rows of a query over their join."""

    def rows(shown, done, query, slice_keys=("surface",)):
        scratch = tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        accepted = sources.accept_dataset(sources.from_options([str(shown)], [str(done)]), scratch)
        found = join.join(DuckDB(scratch), accepted, Policy(), scratch=scratch, slice_keys=slice_keys)
        try:
            return found.engine.rows(query)
        finally:
            found.engine.close()

    return rows


def stored(path, table):
    pq.write_table(table, path)
    return path


NAIVE = [
    pa.array([datetime(2026, 2, 5, 10)] * 2, pa.timestamp(unit)) for unit in ("s", "ms", "us", "ns")
]  # fmt: skip


NOT_ZONED = [*NAIVE, pa.array([date(2026, 2, 5)] * 2), pa.array([MICROS] * 2)]


@pytest.mark.parametrize("ts", NOT_ZONED, ids=[str(ts.type) for ts in NOT_ZONED])
@pytest.mark.parametrize(("role", "table"), [("exposures", exposures), ("outcomes", outcomes)])
def test_an_instant_without_zone_is_refused(tmp_path, role, table, ts):
    """A TIMESTAMP without zone, a DATE or a number is no instant: the file is refused and says what ts should be."""
    with pytest.raises(InputError, match=r"the column ts has another type .* timestamp with time zone"):
        parquet.accept([str(stored(tmp_path / "log.parquet", table(ts=ts)))], role, scratch=tmp_path)


@pytest.mark.parametrize(("unit", "zone"), [("ms", "UTC"), ("us", "Europe/Paris"), ("ns", "+05:30")])
def test_an_instant_is_the_same_in_any_zone_and_unit(tmp_path, joined, unit, zone):
    """A zone changes how an instant is shown, not when it is; nor does the unit that it is stored in."""
    ts = pa.array([MICROS + 123_000] * 2, INSTANT).cast(pa.timestamp(unit)).cast(pa.timestamp(unit, tz=zone))
    shown = stored(tmp_path / "e.parquet", exposures(ts=ts))
    done = stored(tmp_path / "o.parquet", outcomes())
    assert joined(shown, done, "SELECT DISTINCT ts_us FROM exposures") == [(MICROS + 123_000,)]


def test_nanoseconds_that_are_no_whole_microsecond_are_invalid(tmp_path):
    """An instant has at most six fractional digits, in Parquet as in JSONL: nothing is rounded."""
    ts = pa.array([MICROS * 1000, MICROS * 1000 + 1], pa.timestamp("ns", tz="UTC"))
    found = parquet.accept([str(stored(tmp_path / "log.parquet", exposures(ts=ts)))], "exposures", scratch=tmp_path)
    assert (found.invalid, found.faults[0].line, found.faults[0].path) == (1, 2, "$.ts")


ENDS = [datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)]
"""The first and the last instant of the contract, µs."""


def test_instants_of_other_years_are_invalid(tmp_path):
    """Up to the last microsecond, in a column of its own each and beside good ones; the engine's infinities too."""
    first, last = (round(end.replace(microsecond=0).timestamp()) * 1_000_000 + end.microsecond for end in ENDS)
    largest = 2**63 - 1
    bad = [first - 1, last + 1, largest, -largest]
    for values, invalid in ([first, last], 0), (bad, 4), ([first, last, *bad], 4), (bad[:1], 1), (bad[1:2], 1):
        ts = pa.array(values, INSTANT)
        for role, table in (("exposures", exposures), ("outcomes", outcomes)):
            path = stored(tmp_path / "log.parquet", table(len(values), ts=ts))
            accepted = parquet.accept([str(path)], role, scratch=tmp_path)
            assert (accepted.rows, accepted.invalid) == (len(values), invalid)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([Decimal("49.90"), None], pa.decimal128(10, 2)), 49.9),
        (pa.array([7, None], pa.int8()), 7.0),
        (pa.array([2**53, None], pa.uint64()), 2.0**53),
        (pa.array([0.25, None], pa.float32()), 0.25),
        (pa.nulls(2), None),
    ],
    ids=str,
)
def test_a_number_may_have_any_numeric_type(tmp_path, joined, values, expected):
    """Money as a decimal, whole numbers, floats, and a column that never had a value are read as numbers."""
    shown = stored(tmp_path / "e.parquet", exposures(latency_ms=values))
    done = stored(tmp_path / "o.parquet", outcomes(value=values))
    query = "SELECT value, latency_ms FROM outcome_fates JOIN exposures USING (request_id) ORDER BY request_id"
    assert joined(shown, done, query) == [(expected, expected), (None, None)]


@pytest.mark.parametrize("kind", [pa.decimal128(5, 4), pa.float32(), pa.null()], ids=str)
def test_a_propensity_may_have_any_numeric_type(tmp_path, joined, kind):
    """A propensity of 0 is found whatever its type, and a column of them without a value is none."""
    value = None if kind == pa.null() else Decimal(0) if pa.types.is_decimal(kind) else 0.0
    items = pa.array(
        [[{"rank": 1, "item_id": "a", "propensity": value}]] * 2,
        pa.list_(pa.struct({"rank": pa.int8(), "item_id": pa.string(), "propensity": kind})),
    )
    shown = stored(tmp_path / "e.parquet", exposures(items=items))
    done = stored(tmp_path / "o.parquet", outcomes())
    assert joined(shown, done, "SELECT DISTINCT zero_propensity FROM exposures") == [(value is not None,)]


def item_lists(**fields):
    return pa.array([[dict.fromkeys(fields)]] * 2, pa.list_(pa.struct(fields)))


REFUSED = [
    (exposures(items=None), "a column is missing .*expected items"),
    (exposures(user_id=None, userid=pa.array(["u", "u"])), "a column is missing .*expected user_id"),
    (exposures(request_id=None, Request_ID=pa.array(["u", "u"])), "a column is missing .*expected request_id"),
    (exposures(score=pa.array([1, 2])), "unknown column .*found score"),
    (exposures(request_id=pa.array([1, 2])), "the column request_id has another type .*BIGINT; expected text"),
    (exposures(user_id=pa.array([b"u", b"\xff"])), "the column user_id has another type .*BLOB"),
    (exposures(error=pa.array(["false", "false"])), "the column error has another type .*BOOLEAN"),
    (exposures(latency_ms=pa.array(["1", "2"])), "the column latency_ms has another type .*a number"),
    (exposures(context=pa.array(['{"surface":"home"}'] * 2)), r"the column context .*MAP\(VARCHAR, VARCHAR\)"),
    (exposures(context=pa.array([{"surface": "home"}] * 2)), r"the column context .*MAP\(VARCHAR, VARCHAR\)"),
    (exposures(items=pa.array([["a"], ["b"]])), r"the column items .*a list of STRUCT\(item_id, rank"),
    (exposures(items=pa.nulls(2)), "the column items"),
    (exposures(items=item_lists(item_id=pa.string())), "the column items"),
    (exposures(items=item_lists(item_id=pa.string(), rank=pa.float64())), "the column items"),
    (exposures(items=item_lists(item_id=pa.string(), rank=pa.decimal128(9, 0))), "the column items"),
    (exposures(items=item_lists(item_id=pa.int64(), rank=pa.int64())), "the column items"),
    (exposures(items=item_lists(item_id=pa.string(), rank=pa.int64(), scores=pa.float64())), "the column items"),
    (exposures(items=item_lists(item_id=pa.string(), rank=pa.int64(), score=pa.string())), "the column items"),
    (
        exposures(items=item_lists(item_id=pa.string(), rank=pa.int64(), propensity=pa.list_(pa.float64()))),
        "the column items",
    ),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_other_columns_are_refused_by_name(tmp_path, number):
    """A missing, unknown or otherwise typed column is one error naming the file, the column and what is expected."""
    table, message = REFUSED[number]
    path = str(stored(tmp_path / "log.parquet", table))
    with pytest.raises(InputError, match=message) as refused:
        parquet.accept([path], "exposures", scratch=tmp_path)
    assert refused.value.where == path


def test_what_is_no_parquet_is_refused(tmp_path):
    """Text, a file cut off, an empty file and a missing one are each an error that names the file."""
    whole = stored(tmp_path / "whole.parquet", exposures()).read_bytes()
    for name, content in (("text", b"x" * 99), ("cut", whole[:-9]), ("empty", b"")):
        path = tmp_path / f"{name}.parquet"
        path.write_bytes(content)
        with pytest.raises(InputError, match="not a Parquet file") as refused:
            parquet.accept([str(path)], "exposures", scratch=tmp_path)
        assert refused.value.where == str(path)
    (tmp_path / "folder").mkdir()
    for spec in ("missing.parquet", "missing*.parquet", "folder", "none/*.parquet"):
        with pytest.raises(InputError, match="no such file"):
            parquet.accept([str(tmp_path / spec)], "exposures", scratch=tmp_path)


def test_files_are_named_by_path_folder_or_glob(tmp_path):
    """A folder, a glob and a glob through folders find the same files; each is accounted for by its bytes and hash."""
    inner = tmp_path / "logs" / "day=2026-02-05"
    inner.mkdir(parents=True)
    for n in (1, 2):
        stored(inner / f"{n}.parquet", exposures(n))
    stored(inner / "3.parquet", exposures(0))
    for spec in (inner, inner / "*.parquet", tmp_path / "**" / "?.parquet", tmp_path / "*" / "*" / "[123].parquet"):
        found = parquet.accept([str(spec)], "exposures", scratch=tmp_path)
        assert (found.rows, found.invalid) == (3, 0)
        assert [part.path for part in found.inputs] == [str(inner / f"{n}.parquet") for n in (1, 2, 3)]
        for part, path in zip(found.inputs, found.paths, strict=True):
            content = path.read_bytes()
            assert (part.bytes, part.sha256) == (len(content), hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
@pytest.mark.parametrize(("name", "other"), [("a*b", "axb"), ("a?b", "axb"), ("log[1]", "log1"), ("it's", "its")])
def test_a_name_is_no_pattern(tmp_path, joined, name, other, kind):
    """Of a file whose name looks like a pattern only that file is read, and no neighbour, which nobody has checked."""
    for stem, prefix in ((name, "r"), (other, "unchecked-")):
        ids = [f"{prefix}{n}" for n in range(2)]
        if kind == "parquet":
            stored(tmp_path / f"{stem}.parquet", exposures(request_id=pa.array(ids)))
        else:
            row = {"user_id": "u", "ts": "2026-02-05T10:00:00Z", "items": []}
            lines = [json.dumps({"request_id": text, **row}) + "\n" for text in ids]
            (tmp_path / f"{stem}.jsonl").write_text("".join(lines))
    done = stored(tmp_path / "outcomes.parquet", outcomes())
    rows = joined(tmp_path / f"{name}.{kind}", done, "SELECT request_id FROM exposures ORDER BY request_id")
    assert rows == [("r0",), ("r1",)]


def test_no_rows_are_no_error(tmp_path, joined):
    """A file with the columns and no row is read; what to make of an empty log is for others to say."""
    shown, done = stored(tmp_path / "e.parquet", exposures(0)), stored(tmp_path / "o.parquet", outcomes())
    assert joined(shown, done, "SELECT DISTINCT fate FROM outcome_fates") == [("orphan",)]


def test_one_log_is_of_one_kind(tmp_path):
    """A log in both JSONL and Parquet is refused before anything is read; the two logs may differ."""
    with pytest.raises(UsageError, match="either JSONL or Parquet"):
        sources.from_options([str(tmp_path / "a.parquet"), str(tmp_path / "b.jsonl")], ["o.jsonl"])
    named = sources.from_options(["a.parquet"], ["o.jsonl"])
    assert (named.exposures.kind, named.outcomes.kind) == ("parquet", "jsonl")


def test_a_folder_or_glob_of_both_kinds_is_refused(tmp_path):
    """Rows of one kind must not be passed over in silence; globs take the kind of what they match."""
    stored(tmp_path / "e-1.parquet", exposures(0))
    (tmp_path / "e-2.jsonl").write_text("")
    for spec in (tmp_path, f"{tmp_path}/e-*"):
        with pytest.raises(UsageError, match=r"found both in .*Give files of one kind"):
            sources.from_options([str(spec)], ["o.jsonl"])
    named = sources.from_options([f"{tmp_path}/e-1*"], [f"{tmp_path}/*-2.*"])
    assert (named.exposures.kind, named.outcomes.kind) == ("parquet", "jsonl")
