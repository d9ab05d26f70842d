"""Slice keys of any name, and the joined table that people take away."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import join_oracle as oracle
from recsys.attribution import join, quality, sources
from recsys.attribution.engine.duckdb import DuckDB
from recsys.attribution.policy import Policy
from recsys.contracts.report import UNKNOWN
from recsys.errors import ConfigError, StorageError

ODD = [
    "'", '"', "''", '""', "'; drop table exposures; --", '"; drop table exposures; --', "a.b", "$.a", "a b", "\\", "é",
    "日本", "e\u0301", "{0}", "{source}", "?", "$1", "%s", "*", "[0]", "slice_1", "select", "context", "NULL",
    "x" * 300, "tenant_id", "Tenant_ID", "TENANT_ID", "user_id", "anonymous", "Anonymous", "ts", "fate", "-", "a\tb",
    " a",
]  # fmt: skip
COLUMNS = [
    "request_id", "user_id", "item_id", "event_type", "ts", "value", "event_id", "fate", "shown_rank", "exposure_ts",
    "user_mismatch", "anonymous", "conflicting", "inferred_request_id", "inferred_exposures",
]  # fmt: skip


def rows(keys):
    """Three exposures with another value under each key, one without context, and a click on each, and an orphan."""
    shown = [
        {
            "request_id": f"r{n}", "user_id": "u", "ts": f"2026-02-05T10:00:0{n}Z",
            "items": [{"item_id": "a", "rank": 1}], **({"context": {key: f"{n}-{key}" for key in keys}} if n else {}),
        }
        for n in range(4)
    ]  # fmt: skip
    done = [
        {
            "request_id": f"r{n}", "user_id": "u", "item_id": "a", "event_type": "click", "ts": "2026-02-05T10:00:09Z",
            **({"context": {key: f"own-{key}" for key in keys}} if n == 4 else {}),
        }
        for n in range(5)
    ]  # fmt: skip
    return shown, done


@pytest.mark.parametrize("start", range(0, len(ODD), 6))
@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_slice_key_may_have_any_name(tmp_path, kind, start):
    """Quotes, dots, patterns, SQL, other scripts and names that differ in case alone give the values under the name."""
    keys = ODD[start : start + 6]
    shown, done = rows(keys)
    paths = [tmp_path / f"{name}.{kind}" for name in ("e", "o")]
    for path, part in zip(paths, (shown, done), strict=True):
        if kind == "jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in part))
        else:
            table = pa.Table.from_pylist([{**row, "context": None} for row in part])
            context = pa.array(
                [list(row["context"].items()) if "context" in row else None for row in part],
                pa.map_(pa.string(), pa.string()),
            )
            pq.write_table(table.set_column(table.schema.get_field_index("context"), "context", context), path)
    accepted = sources.accept_dataset(sources.from_options([str(paths[0])], [str(paths[1])]), tmp_path)
    found = join.join(DuckDB(tmp_path), accepted, Policy(), scratch=tmp_path, slice_keys=keys)
    described = quality.data_quality(found)
    assert join.write_parquet(found, tmp_path / "joined.parquet") == 5
    found.engine.close()
    assert described.missing_keys == dict.fromkeys(keys, 1)
    for key in keys:
        counts = {part.value: (part.exposures, part.fates.rows) for part in described.by if part.key == key}
        assert counts == {UNKNOWN: (1, 1), f"own-{key}": (0, 1)} | {f"{n}-{key}": (1, 1) for n in (1, 2, 3)}
    written = pq.read_table(tmp_path / "joined.parquet")
    expected = [None, *(f"{n}" for n in (1, 2, 3)), "own"]
    for place, key in enumerate(keys, len(COLUMNS)):
        assert written.column_names[place].startswith(key)
        assert written.column(place).to_pylist() == [value and f"{value}-{key}" for value in expected]


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ([""], "''"), ([" "], "' '"), (["a", "b", "a"], "'a'"), ([f"k{n}" for n in range(9)], "9"), (["day"], "'day'"),
        (["surface", "event_type"], "'event_type'"),
    ],
)  # fmt: skip
def test_keys_that_cannot_be_told_apart_are_refused(keys, found):
    """Blank, repeated and too many keys, and those by which everything is broken down anyway, are refused by name."""
    with pytest.raises(ConfigError, match="slice_keys") as refused:
        join.check_slice_keys(keys)
    assert refused.value.found == found


def test_a_key_with_the_name_of_a_column_gets_a_number(tmp_path, joined):
    """Of two columns with one name, in any case, the slice is the one with a number; no column hides another."""
    with joined(*rows(["anonymous", "Surface"]), slice_keys=("anonymous", "surface", "Surface")) as found:
        join.write_parquet(found, tmp_path / "joined.parquet")
    names = pq.read_schema(tmp_path / "joined.parquet").names
    assert names == [*COLUMNS, "anonymous_1", "surface", "Surface_1"]


def test_the_number_of_keys(joined):
    """No key at all and eight keys are both fine."""
    shown, done = rows(["k0", "k7"])
    for keys in ((), tuple(f"k{n}" for n in range(8))):
        with joined(shown, done, slice_keys=keys) as found:
            described = quality.data_quality(found)
        assert {part.key for part in described.by} == {"day", "event_type", *keys}
        assert described.fates.attributed == 4


TROUBLE = [
    # request, user, item, type, seconds after the exposure, value, event_id
    ("r1", "u", "a", "click", 1.000001, None, None), ("r1", "u", "a", "click", 1.000001, 2.5, "e1"),
    ("r1", "other", "b", "conversion", -9, -0.25, None), ("r1", "u", "b", "conversion", 99, 1e300, "e2"),
    ("r1", "u", "z", "click", 2, None, "e1"), ("gone", "u", "a", "click", 0, 0.0, "é'\""),
    ("r2", "u", "a", "click", 1, None, None), ("r1", "u", "Z", "click", 3, None, "e3"),
]  # fmt: skip


def trouble():
    begin = datetime(2026, 2, 5, 10, tzinfo=UTC)
    shown = [
        {
            "request_id": request, "user_id": "u", "ts": begin.isoformat(), "context": {"surface": "home"},
            "items": [{"item_id": item, "rank": n} for n, item in enumerate(items, 1)],
        }
        for request, items in (("r1", "ab"), ("r2", "ab"), ("r2", "ba"))
    ]  # fmt: skip
    done = [
        {
            "request_id": request, "user_id": user, "item_id": item, "event_type": kind,
            "ts": (begin + timedelta(seconds=late)).isoformat(),
            **({} if value is None else {"value": value}), **({} if event is None else {"event_id": event}),
        }
        for request, user, item, kind, late, value, event in TROUBLE
    ]  # fmt: skip
    return shown, done


def test_the_joined_table_holds_every_row(tmp_path, joined):
    """The file holds every valid outcome once, unchanged, with the twin's fate, its exposure's instant and flags."""
    shown, done = trouble()
    policy = Policy(windows_s={"click": None, "conversion": 60.0})
    with joined(shown, done, policy=policy) as found:
        assert join.write_parquet(found, tmp_path / "joined.parquet") == len(done)
    table = pq.read_table(tmp_path / "joined.parquet")
    assert table.column_names == [*COLUMNS, "tenant_id", "surface"]
    assert table.schema.field("ts").type == table.schema.field("exposure_ts").type == pa.timestamp("us", tz="UTC")
    fates = oracle.fates(shown, done, windows_us={"conversion": 60_000_000})
    expected = Counter(
        (
            row["request_id"], row["user_id"], row["item_id"], row["event_type"], oracle.micros(row["ts"]),
            row.get("value"), row.get("event_id"), fate,
        )
        for row, (fate, _) in zip(done, fates, strict=True)
    )  # fmt: skip
    assert {fate for fate, _ in fates} == set(oracle.FATES) - {"invalid"} - oracle.POLICY_FATES
    written = table.set_column(4, "ts", table.column("ts").cast(pa.int64())).to_pylist()
    assert Counter(tuple(row[name] for name in COLUMNS[:8]) for row in written) == expected
    for row in written:
        known = row["request_id"] == "r1"
        assert (row["exposure_ts"] is not None) == known
        assert row["user_mismatch"] == (row["user_id"] == "other")
        assert row["surface"] == (None if row["request_id"] == "gone" else "home")
        assert row["conflicting"] == (row["fate"] == "duplicate")
        if row["fate"] == "attributed":
            assert row["shown_rank"] == "ab".index(row["item_id"]) + 1


def test_the_joined_table_is_the_same_for_any_order(tmp_path, joined):
    """The file is the same to the byte, whatever the order of the rows and their cut into files."""
    shown, done = trouble()
    written = []
    for number, (order, cuts) in enumerate(((1, 1), (-1, 1), (-1, 3))):
        path = tmp_path / f"{number}.parquet"
        with joined(shown[::order], done[::order], cuts=cuts) as found:
            join.write_parquet(found, path)
        written.append(path.read_bytes())
    assert written[0] == written[1] == written[2]


def test_a_table_that_cannot_be_written_leaves_nothing(tmp_path, joined):
    """A missing folder or a folder in the file's place is one error that names the file, and no part is left behind."""
    (tmp_path / "folder.parquet").mkdir()
    with joined(*trouble()) as found:
        for path in (tmp_path / "none" / "joined.parquet", tmp_path / "folder.parquet"):
            with pytest.raises(StorageError, match="cannot be written") as refused:
                join.write_parquet(found, path)
            assert refused.value.where == str(path)
        join.write_parquet(found, tmp_path / "it's [1].parquet")
    assert pq.read_metadata(tmp_path / "it's [1].parquet").num_rows == len(TROUBLE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.parquet", "it's [1].parquet"]
