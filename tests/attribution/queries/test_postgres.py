"""PostgreSQL as a source: what a query gives is what is read, and no word of the connection string is ever told."""

import json
import traceback

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import log_databases
import strategies
from log_databases import SECRET, instant
from recsys.attribution import sources
from recsys.attribution.environment import Secret, expanded
from recsys.attribution.named import Source
from recsys.attribution.queries import in_brackets, postgres
from recsys.errors import ConfigError, InputError, RecsysError, StorageError
from recsys.eventlog.validation import validate

OUTCOME = {"request_id": "r", "user_id": "u", "item_id": "a", "event_type": "click", "ts": "2026-02-05T10:00:00Z"}
VALID = "SELECT 'r' AS request_id, 'u' AS user_id, 'a' AS item_id, 'click' AS event_type, now() AS ts"


def rows(dsn, query, folder, role="outcomes"):
    """The lines that a query becomes."""
    target = folder / "rows"
    postgres.write_rows(dsn, query, role, target, f"postgres:{role}")
    return target.read_bytes().splitlines(keepends=True)


def refused(dsn, query, folder, role="outcomes") -> RecsysError:
    """What a query is refused with; it is checked that no part of the secret stands anywhere in it."""
    with pytest.raises(RecsysError) as caught:
        rows(dsn, query, folder, role)
    told = "".join(traceback.format_exception(caught.value))
    assert "hunter2" not in told
    assert "s3cret" not in told
    return caught.value


def storable(record) -> bool:
    return "\\u0000" not in json.dumps(record)


@settings(max_examples=40, deadline=None)
@given(data=st.data(), role=st.sampled_from(["exposures", "outcomes", "assignments"]))
def test_records_of_a_table_come_back_as_they_are(dsn, database, data, role, tmp_path_factory):
    """Every valid record, stored in columns, is a valid line that says the same: text, lists, numbers, instants."""
    schema = sources.SCHEMAS[role]
    records = data.draw(st.lists(strategies.RECORDS[schema].filter(storable), max_size=4))
    log_databases.fill(database, role, records)
    folder = tmp_path_factory.mktemp("rows")
    query = Source("postgres", [], f"SELECT * FROM {role} ORDER BY ctid", Secret(dsn))
    others = {name: Source("jsonl", [str(folder / "empty")]) for name in ("exposures", "outcomes")}
    (folder / "empty").touch()
    named = sources.Dataset(**{**others, role: query})
    accepted = getattr(sources.accept_dataset(named, folder), role)
    assert (accepted.rows, accepted.invalid) == (len(records), 0)
    lines = b"".join(path.read_bytes() for path in accepted.paths).split(b"\n")[:-1]
    for line, record in zip(map(json.loads, lines), records, strict=True):
        assert instant(line.pop("ts")) == instant(record["ts"])
        for name in ("value", "latency_ms"):
            if name in record:
                assert float(line.pop(name)) == float(record[name])
        assert line == {name: part for name, part in record.items() if name not in {"ts", "value", "latency_ms"}}


def test_what_a_null_is(dsn, database, tmp_path):
    """A NULL is a field that is not there, at the top and inside JSON; what JSON has is written on one line."""
    database.execute("DROP TABLE IF EXISTS t")
    database.execute("CREATE TABLE t (context json)")
    database.execute("""INSERT INTO t VALUES (NULL), (E'{\n  "a" : null,\n\t"b": "\\\\n"}'), ('null')""")
    found = rows(
        dsn, VALID.replace("now()", "'x'") + ", NULL::numeric AS value, context FROM t ORDER BY ctid", tmp_path
    )
    plain = b'{"request_id":"r","user_id":"u","item_id":"a","event_type":"click","ts":"x"'
    assert found == [plain + b"}\n", plain + b',"context":{"b":"\\n"}}\n', plain + b"}\n"]


def test_instants_and_numbers_do_not_depend_on_settings(dsn, database, tmp_path):
    """Zone, date style and digits that a server or a user prefers change no line."""
    query = VALID.replace("now()", "timestamptz '2026-02-05 10:00:00.000001+05:30'") + ", 0.1::float8 + 0.2 AS value"
    line = b'{"request_id":"r","user_id":"u","item_id":"a","event_type":"click",'
    line += b'"ts":"2026-02-05T04:30:00.000001+00:00","value":0.30000000000000004}\n'
    assert rows(dsn, query, tmp_path) == [line]
    for setting in ("timezone = 'Asia/Kolkata'", "datestyle = 'German'", "extra_float_digits = 0"):
        database.execute(f"ALTER ROLE reader SET {setting}")
    try:
        assert rows(dsn, query, tmp_path) == [line]
    finally:
        database.execute("ALTER ROLE reader RESET ALL")


def test_many_rows_and_long_ones(dsn, tmp_path):
    """Rows are written in batches, of which none loses or joins one; the order is the query's."""
    query = (
        "SELECT n::text AS request_id, repeat('x', n % 3 * 200000) AS user_id, 'a' AS item_id, 'click' AS event_type, "
        "now() AS ts FROM generate_series(1, 40) AS n ORDER BY n DESC"
    )
    found = [json.loads(line) for line in rows(dsn, query, tmp_path)]
    assert [row["request_id"] for row in found] == [str(n) for n in range(40, 0, -1)]
    assert all(len(row["user_id"]) == int(row["request_id"]) % 3 * 200_000 for row in found)
    found = rows(dsn, query.replace("1, 40", "1, 5000").replace("200000", "1"), tmp_path)
    assert len(found) == 5000


TYPES = [
    ("outcomes", "ts", "timestamp '2026-02-05 10:00:00'", "timestamp without time zone; expected timestamp with time"),
    ("outcomes", "ts", "date '2026-02-05'", "found date; expected timestamp with time zone"),
    ("outcomes", "ts", "'2026-02-05T10:00:00Z'::text", None),
    ("outcomes", "request_id", "7", "found integer; expected text). Write request_id::text AS request_id"),
    ("outcomes", "request_id", "gen_random_uuid()", None),
    ("outcomes", "request_id", "'x'::varchar(9)", None),
    ("outcomes", "event_type", "'click'::event", None),
    ("outcomes", "value", "'5'::text", "found text; expected a number"),
    ("outcomes", "value", "5::money", "found money; expected a number"),
    ("outcomes", "value", "5::smallint", None),
    ("outcomes", "value", "5.25::numeric(9, 2)", None),
    ("outcomes", "context", "'{}'::text", "found text; expected jsonb"),
    ("outcomes", "context", "ARRAY['a']", "found text[]; expected jsonb"),
    ("outcomes", "context", '\'{"a": "b"}\'::json', None),
    ("exposures", "items", "ARRAY['a']", "found text[]; expected jsonb"),
    ("exposures", "error", "1", "found integer; expected boolean"),
    ("exposures", "latency_ms", "interval '1 s'", "found interval; expected a number"),
    ("exposures", "latency_ms", "1.5::real", None),
    ("outcomes", "valeu", "1", "unknown column (found valeu; expected request_id, user_id, item_id, event_type, ts, "),
    ("exposures", "item_id", "'a'", "unknown column (found item_id; expected request_id, user_id, ts, items, context"),
]


@pytest.mark.parametrize(("role", "column", "value", "told"), TYPES)
def test_types_of_columns(dsn, database, tmp_path, role, column, value, told):
    """A type that cannot make a valid line is one error before a row is read; the others make one."""
    database.execute("DROP TYPE IF EXISTS event CASCADE; CREATE TYPE event AS ENUM ('click', 'conversion')")
    columns = {"request_id": "'r'", "user_id": "'u'", "ts": "now()"}
    columns |= {"items": "'[]'::jsonb"} if role == "exposures" else {"item_id": "'a'", "event_type": "'click'"}
    query = "SELECT " + ", ".join(f"{made} AS {name}" for name, made in {**columns, column: value}.items())
    if told is not None:
        error = refused(dsn, query, tmp_path, role)
        assert isinstance(error, InputError)
        assert error.where == f"postgres:{role}"
        assert told in str(error)
        return
    [line] = rows(dsn, query, tmp_path, role)
    log = tmp_path / "log.jsonl"
    log.write_bytes(line)
    [file] = validate([log], sources.SCHEMAS[role])
    assert file.invalid == 0, file.faults


FAILING = [
    ("SELECT * FROM nowhere", 'relation "nowhere" does not exist, line 1, column 15 of the query'),
    ("SELECT *\nFROM outcomes\n WHERE user = useridd", "does not exist, line 3, column 15 of the query"),
    ("SELECT 1;; SELECT 2", "syntax error at or near"),
    ("SELECT 1) AS log; DROP TABLE outcomes; SELECT * FROM (SELECT 1", "cannot insert multiple commands"),
    ("SELECT 1) AS log; DROP TABLE outcomes; --", "syntax error"),
    ("DELETE FROM outcomes RETURNING *", "syntax error at or near"),
    ("WITH gone AS (DELETE FROM outcomes RETURNING *) SELECT * FROM gone", "must be at the top level"),
    ("SELECT * FROM outcomes WHERE emptied() > 0", "cannot execute DELETE in a read-only transaction"),
    ("SELECT user_id FROM outcomes", "a column is missing (found user_id; expected request_id)"),
    ("SELECT *, ts AS ts FROM outcomes", "a column is there twice (found ts"),
    (
        "SELECT * FROM outcomes WHERE user_id::int = 1",
        "found invalid text representation). The message may hold values",
    ),
    ("SELECT * FROM outcomes WHERE 1 / (length(user_id) - 5) = 1", "found division by zero). The message may hold"),
    ("SELECT * FROM outcomes WHERE raised() = 1", "found raise exception). The message may hold values"),
    ("SELECT o.* FROM outcomes AS o, pg_sleep(9)", "canceling statement due to statement timeout"),
]


@pytest.mark.parametrize(("query", "told"), FAILING)
def test_a_query_that_fails(dsn, database, tmp_path, query, told):
    """It is told where and why, as far as that shows no value of a row; nothing in the database is changed."""
    log_databases.fill(database, "outcomes", [{**OUTCOME, "user_id": "alice"}])
    for name, body in (("emptied", "DELETE FROM outcomes; RETURN 1"), ("raised", "RAISE 'alice was here'")):
        code = f"RETURNS int LANGUAGE plpgsql AS $$BEGIN {body}; END$$"
        database.execute(f"CREATE OR REPLACE FUNCTION {name}() {code}")
    error = refused(f"{dsn} options='-c statement_timeout=700'", query, tmp_path)
    assert isinstance(error, InputError)
    assert error.where == "postgres:outcomes"
    assert told in str(error)
    assert "alice" not in str(error)
    assert database.execute("SELECT user_id FROM outcomes").fetchall() == [("alice",)]


def test_a_connection_that_ends_meanwhile(dsn, tmp_path):
    """It is an error of the storage, and not of the query."""
    query = VALID.replace("'r'", "pg_terminate_backend(pg_backend_pid())::text")
    error = refused(dsn, query, tmp_path)
    assert isinstance(error, StorageError)
    assert "the connection to PostgreSQL was lost" in str(error)


UNREACHABLE = [
    ({"password": "hunter2"}, StorageError, "the user or the password is not accepted"),
    ({"password": None, "passfile": "/nonexistent"}, StorageError, "the user or the password is not accepted"),
    ({"user": "hunter2"}, StorageError, "there is no such user"),
    ({"dbname": "hunter2"}, StorageError, "there is no such database"),
    ({"host": "/nowhere/hunter2"}, StorageError, "no server has a socket there"),
    ({"host": "hunter2.invalid"}, StorageError, "the host is not known"),
    ({"host": "127.0.0.1", "port": "1"}, StorageError, "nothing listens there"),
    ({"host": "127.0.0.1", "port": "hunter2"}, StorageError, "a part of the connection string is not valid"),
    ({"sslmode": "hunter2"}, StorageError, "a part of the connection string is not valid"),
]


@pytest.mark.parametrize(("changes", "kind", "told"), UNREACHABLE)
def test_no_connection(dsn, tmp_path, changes, kind, told):
    """Why, in words of our own: those of the client quote what stands in the connection string."""
    known = {**psycopg.conninfo.conninfo_to_dict(dsn), **changes}
    given = {key: value for key, value in known.items() if value is not None}
    line = " ".join(f"{key}='{value}'" for key, value in given.items())
    error = refused(line, VALID, tmp_path)
    assert isinstance(error, kind)
    assert f"PostgreSQL cannot be reached (found {told})" in str(error)


@pytest.mark.parametrize(
    "dsn",
    ["hunter2", "hunter2=1", "postgresql://u:hunter2@[::1/db", "postgresql://u:hunter2%zz@h/d", "host='hunter2"],
)
def test_no_connection_string(tmp_path, dsn):
    """It is refused without being shown, nor is the part that cannot be read."""
    error = refused(dsn, VALID, tmp_path)
    assert isinstance(error, ConfigError)
    assert "the dsn is no connection string" in str(error)


@pytest.mark.parametrize(
    "dsn", ["postgresql://u:hunter2@s3cret@127.0.0.1:1/db", "postgresql://u:p/hunter2@127.0.0.1/d"]
)
def test_a_password_that_takes_a_url_apart(tmp_path, dsn):
    """A part of it is then taken for the host, and is not shown all the same."""
    assert "cannot be reached" in str(refused(dsn, VALID, tmp_path))


def test_environment_variables(dsn, tmp_path, monkeypatch):
    """The whole string, or a part of it, comes from the environment; one that is not set is named."""
    monkeypatch.setenv("RS_DSN", dsn)
    monkeypatch.setenv("RS_PASSWORD", SECRET)
    known = psycopg.conninfo.conninfo_to_dict(dsn)
    for text in ("${RS_DSN}", f"host={known['host']} dbname={known['dbname']} user=reader password=${{RS_PASSWORD}}"):
        assert len(rows(text, VALID, tmp_path)) == 1
    error = refused("password=hunter2 user=${RS_NOBODY}", VALID, tmp_path)
    assert isinstance(error, ConfigError)
    assert "the environment variable RS_NOBODY is not set" in str(error)


def test_how_variables_are_spelt():
    """`${NAME}` alone is one; other dollar signs stay, and values are not looked through again."""
    known = {"A": "x", "B_2": "${A}$", "EMPTY": ""}

    def of(text):
        return expanded(text, where="here", environ=known)

    assert of("$A ${A}-${B_2} $ $$ {A}") == "$A x-${A}$ $ $$ {A}"
    for text in ("${}", "${A", "${A B}", "${2}", "${$A}"):
        with pytest.raises(ConfigError, match="here: not a variable"):
            of(text)
    with pytest.raises(ConfigError, match="the environment variable EMPTY is not set"):
        of("${EMPTY}")
    assert "x" not in repr(of("${A}"))
    assert "hunter2" not in repr(Source("postgres", [], "q", Secret("hunter2")))


def test_a_query_within_another():
    """Semicolons at its end go, and a comment there hides nothing."""
    assert in_brackets("SELECT 1 ;\n;\n") == "(\nSELECT 1 ;\n\n) AS log"
    assert in_brackets("SELECT 1 -- all") == "(\nSELECT 1 -- all\n) AS log"
