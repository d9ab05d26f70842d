"""A DuckDB file as a source: types are kept, nothing is written to it, and a query that cannot be read is told why."""

import subprocess
import sys

import duckdb
import pyarrow.parquet as pq
import pytest

import log_databases
from recsys.attribution import sources
from recsys.attribution.named import Source
from recsys.attribution.queries import duckdb_file
from recsys.errors import InputError, RecsysError
from recsys.eventlog.queried import name_of, source_of

OUTCOME = {
    "request_id": "r", "user_id": "alice", "item_id": "a", "event_type": "click", "ts": "2026-02-05T10:00:00Z",
    "value": 9.5, "context": {"surface": "home"},
}  # fmt: skip
EXPOSURE = {
    "request_id": "r", "user_id": "u", "ts": "2026-02-05T10:00:00.25+02:00", "items": [{"item_id": "a", "rank": 1}],
    "context": {"tenant_id": "demo"}, "latency_ms": 2.5, "error": False,
}  # fmt: skip
COLUMNS = "request_id, user_id, item_id, event_type, ts"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "it's logs.duckdb"
    log_databases.duckdb_file(path, "outcomes", [OUTCOME, {**OUTCOME, "request_id": "s", "user_id": ""}])
    log_databases.duckdb_file(path, "exposures", [EXPOSURE])
    return path


def refused(file, query, folder) -> RecsysError:
    with pytest.raises(RecsysError) as caught:
        duckdb_file.write_rows(str(file), query, "outcomes", folder / "rows.parquet", "here")
    assert "alice" not in str(caught.value)
    return caught.value


def test_rows_are_read_with_their_types(file, tmp_path):
    """Lists, maps, instants and numbers as they are; bad rows are counted, and told by the place in the query."""
    before = file.read_bytes()
    query = "SELECT * FROM outcomes ORDER BY request_id;"
    named = sources.Dataset(
        exposures=Source("duckdb", [str(file)], "FROM exposures -- all"), outcomes=Source("duckdb", [str(file)], query)
    )
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    found = sources.accept_dataset(named, scratch)
    [shown], [done] = found.exposures.paths, found.outcomes.paths
    assert pq.read_table(shown, columns=["items", "context", "latency_ms"]).to_pylist() == [
        {"items": EXPOSURE["items"], "context": [("tenant_id", "demo")], "latency_ms": 2.5}
    ]
    assert pq.read_table(done, columns=["ts"]).to_pylist()[0]["ts"].isoformat() == "2026-02-05T10:00:00+00:00"
    assert [(part.rows, part.invalid) for part in found.inputs] == [(1, 0), (2, 1)]
    assert [part.path for part in found.inputs] == [
        name_of(str(file), "exposures", "FROM exposures -- all"), name_of(str(file), "outcomes", query),
    ]  # fmt: skip
    [fault] = found.faults
    assert str(fault).startswith(f"{name_of(str(file), 'outcomes', query)}:2: $.user_id: ")
    assert found.outcomes.origins[0].file == fault.file
    assert file.read_bytes() == before


TYPES = [
    ("ts::TIMESTAMP AS ts", "the column ts has another type (found TIMESTAMP; expected a timestamp with time zone"),
    ("ts::TIMESTAMP AS ts", "If it is in UTC, say so in SQL: ts AT TIME ZONE 'UTC'."),
    ("ts::DATE AS ts", "the column ts has another type (found DATE"),
    (
        "uuid() AS user_id",
        "the column user_id has another type (found UUID; expected text). In DuckDB: user_id::VARCHAR.",
    ),
    (
        "{'a': 'b'} AS context",
        "(found STRUCT(a VARCHAR); expected MAP(VARCHAR, VARCHAR)). In DuckDB: context::MAP(VARCHAR",
    ),
    (
        "'{}'::JSON AS context",
        "(found JSON; expected MAP(VARCHAR, VARCHAR)). In DuckDB: context::MAP(VARCHAR, VARCHAR)",
    ),
    ("'5' AS value", "the column value has another type (found VARCHAR; expected a number)"),
]


@pytest.mark.parametrize(("column", "told"), TYPES)
def test_types_of_columns(file, tmp_path, column, told):
    """What cannot be a valid row is refused before the query is asked for its rows, and a cast mends it."""
    name = column.rpartition(" ")[2]
    others = ", ".join(each for each in COLUMNS.split(", ") if each != name)
    error = refused(file, f"SELECT {others}, {column} FROM outcomes, range(1000000000000)", tmp_path)
    assert isinstance(error, InputError)
    assert told in str(error)


@pytest.mark.parametrize(
    "made",
    [
        "ts::TIMESTAMP AT TIME ZONE 'UTC' AS ts", "uuid()::VARCHAR AS user_id",
        "event_type::ENUM ('click') AS event_type",
        "{'a': 'b'}::MAP(VARCHAR, VARCHAR) AS context", "'{\"a\": \"b\"}'::JSON::MAP(VARCHAR, VARCHAR) AS context",
        "sum(1) OVER () AS value",
    ],
)  # fmt: skip
def test_casts_that_are_told_are_enough(file, tmp_path, made):
    """Each gives a column that the log may have."""
    name = made.rpartition(" ")[2]
    others = ", ".join(each for each in COLUMNS.split(", ") if each != name)
    duckdb_file.write_rows(
        str(file), f"SELECT {others}, {made} FROM outcomes", "outcomes", tmp_path / "rows.parquet", "x"
    )
    assert pq.read_metadata(tmp_path / "rows.parquet").num_rows == 2


FAILING = [
    ("SELECT nothing FROM outcomes", 'Binder Error: Referenced column "nothing" not found'),
    ("SELECT * FROM nowhere", "Catalog Error: Table with name nowhere does not exist"),
    ("SELECT FROM FROM", "Parser Error: syntax error"),
    ("DELETE FROM outcomes", "Parser Error: syntax error"),
    ("SELECT * FROM outcomes WHERE user_id::INT = 1", "found conversion error). The message may hold values of rows"),
    ("SELECT *, 1 AS valeu FROM outcomes", "unknown column (found valeu;"),
    ("SELECT user_id FROM outcomes", "a column is missing (found user_id; expected request_id)"),
]


@pytest.mark.parametrize(("query", "told"), FAILING)
def test_a_query_that_fails(file, tmp_path, query, told):
    """It is told why, as far as that shows no value of a row."""
    error = refused(file, query, tmp_path)
    assert isinstance(error, InputError)
    assert error.where == "here"
    assert told in str(error)


def test_files_that_are_none(file, tmp_path):
    """A missing file, another file, and one that another program writes to are refused by name; none is made."""
    (tmp_path / "text.duckdb").write_text("x" * 9999)
    assert "no such file" in str(refused(tmp_path / "none.duckdb", "SELECT 1", tmp_path))
    assert not (tmp_path / "none.duckdb").exists()
    assert "not a DuckDB file that can be read" in str(refused(tmp_path / "text.duckdb", "SELECT 1", tmp_path))
    code = f"import duckdb; held = duckdb.connect({str(file)!r}); print('held', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        error = str(refused(file, "SELECT 1", tmp_path))
        other.communicate(b"\n")
    assert "Close what writes to it, or copy it first." in error
    assert duckdb.connect(file, read_only=True).execute("SELECT count(*) FROM outcomes").fetchall() == [(2,)]


def test_names_of_queries():
    """A name says where the rows come from and which query it was, and the source can be told from it."""
    assert name_of("postgres", "outcomes", "SELECT 1") == "postgres:outcomes#e004ebd5b553"
    assert name_of("a:b#c", "outcomes", "SELECT 2") != name_of("a:b#c", "outcomes", "SELECT 3")
    for source in ("logs.duckdb", "a:b#c", "/it's/[1].db"):
        assert source_of(name_of(source, "exposures", "q")) == source
        assert source_of(source) == source
