"""recsys-eval on logs in databases: the same figures as on the same logs in files, and no secret anywhere."""

import contextlib
import io
import itertools
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import psycopg
import pytest

import log_databases
from log_databases import SECRET
from recsys import console
from recsys.contracts.report import Report
from recsys.evaluation.cli import app


@pytest.fixture(scope="module")
def dsn():
    """The connection string of a PostgreSQL, with a password in it."""
    with log_databases.running() as dsn:
        yield dsn


@pytest.fixture
def records(exposure, outcome):
    """By role: 60 lists, and 20 clicks, of which two are no valid rows."""
    clicks = [outcome(n, value=n / 4) for n in range(0, 60, 3)]
    clicks[2]["user_id"], clicks[5]["event_type"] = " ", "view"
    return {"exposures": [exposure(n) for n in range(60)], "outcomes": clicks}


@pytest.fixture
def tables(dsn, records):
    """The same in tables."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for role, rows in records.items():
            log_databases.fill(connection, role, rows)


def dataset(tmp_path, **logs):
    path = tmp_path / "logs.yaml"
    path.write_text(json.dumps(logs))
    return path


def ask(role, dsn="${RECSYS_TEST_DSN}"):
    return {"type": "postgres", "dsn": dsn, "query": f"SELECT * FROM {role} ORDER BY request_id, ts;"}


def at_hand(*words):
    """What `recsys-eval` says and how it ends, in this process: without the start of an interpreter."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = console.run(app, "recsys-eval", [str(word) for word in words])
    return status, out.getvalue(), err.getvalue()


def no_secret(*texts):
    for text in texts:
        assert SECRET not in text
        assert "s3cret" not in text


def report_of(text) -> Report:
    return msgspec.json.decode(text, type=Report)


def figures(report):
    return [(part.metric, part.slice_key, part.slice_value, part.estimate) for part in report.results]


def test_the_same_report_from_databases(recsys_eval, write, dsn, records, tables, tmp_path, monkeypatch):
    """PostgreSQL, DuckDB and JSON lines give equal figures and counts; inputs are named by role and query; bad rows
    are told by their place in the query."""
    monkeypatch.setenv("RECSYS_TEST_DSN", dsn)
    files = {role: write(f"{role}.jsonl", *rows) for role, rows in records.items()}
    for role, rows in records.items():
        log_databases.duckdb_file(tmp_path / "logs.duckdb", role, rows)
    in_duckdb = {"type": "duckdb", "path": "logs.duckdb", "query": "FROM outcomes ORDER BY request_id, ts"}
    wanted = recsys_eval("run", "--exposures", files["exposures"], "--outcomes", files["outcomes"],
                         "--output-format", "json")  # fmt: skip
    for outcomes, source in ((ask("outcomes"), "postgres"), (in_duckdb, f"{tmp_path}/logs.duckdb")):
        named = dataset(tmp_path, exposures=ask("exposures"), outcomes=outcomes)
        done = recsys_eval("run", "--dataset", named, "--output-format", "json")
        assert done.status == wanted.status == 0
        no_secret(done.out, done.err)
        there, here = report_of(done.out), report_of(wanted.out)
        assert figures(there) == figures(here)
        assert there.data_quality == here.data_quality
        assert [(part.rows, part.invalid) for part in there.inputs] == [(60, 0), (20, 2)]
        assert [part.path.rpartition("#")[0] for part in there.inputs] == ["postgres:exposures", f"{source}:outcomes"]
        assert f"\n{source}:outcomes#" in done.err


@pytest.mark.parametrize("command", ["run", "join", "validate"])
def test_no_secret_in_any_output(dsn, tables, tmp_path, monkeypatch, command):
    """Neither the reports in all forms nor what is said on either stream hold a part of the connection string, whether
    it stands in the environment or in the YAML, and whether all goes well or not."""
    monkeypatch.setenv("RECSYS_TEST_DSN", dsn)
    monkeypatch.setenv("RECSYS_TEST_PASSWORD", SECRET)
    numbers = itertools.count()
    known = psycopg.conninfo.conninfo_to_dict(dsn)
    in_part = f"host={known['host']} dbname=postgres user=reader password=${{RECSYS_TEST_PASSWORD}}"
    wrong = [f"{in_part} port=1", "hunter2-s3cret", f"postgresql://reader:{SECRET}@nowhere.invalid/db",
             f"postgresql://reader@{SECRET}/db"]  # fmt: skip
    for text, status in [(text, 0) for text in ("${RECSYS_TEST_DSN}", dsn, in_part)] + [(text, 1) for text in wrong]:
        named = dataset(tmp_path, exposures=ask("exposures", text), outcomes=ask("outcomes", text))
        outputs = {
            "run": [tmp_path / f"report-{next(numbers)}.{suffix}" for suffix in ("json", "md", "html")],
            "join": [tmp_path / f"joined-{next(numbers)}.parquet"], "validate": [],
        }[command]  # fmt: skip
        done, out, err = at_hand(
            command, "--dataset", named, *(word for path in outputs for word in ("--output", path))
        )
        assert done == status or (command, done) == ("validate", 1)
        no_secret(out, err, *(path.read_bytes().decode(errors="replace") for path in outputs if not status))
        assert not status or not any(path.exists() for path in outputs)


def test_what_is_wrong_is_told_in_one_line(write, exposure, dsn, tables, tmp_path, monkeypatch):
    """With the place in the YAML or the query, and the exit status of a failed command."""
    monkeypatch.delenv("RECSYS_TEST_DSN", raising=False)
    shown = {"type": "jsonl", "path": str(write("e.jsonl", exposure(1)))}

    def told(outcomes):
        status, out, err = at_hand("join", "--dataset", dataset(tmp_path, exposures=shown, outcomes=outcomes))
        assert (status, out) == (1, "")
        no_secret(err)
        [line] = err.splitlines()
        return line

    where = f"recsys-eval: {tmp_path}/logs.yaml: outcomes"
    assert told(ask("outcomes")).startswith(f"{where}.dsn: the environment variable RECSYS_TEST_DSN is not set. Set it")
    assert told({**ask("outcomes"), "quarry": "x"}) == f"{where}: unknown key (found 'quarry'). Did you mean 'query'?"
    monkeypatch.setenv("RECSYS_TEST_DSN", dsn)
    assert "postgres:outcomes#" in (line := told(ask("outcome")))
    assert ': the query fails (found relation "outcome" does not exist, line 1, column 15 of the query)' in line
    assert "the column ts has another type (found timestamp without time zone" in told(
        {**ask(""), "query": "SELECT request_id, user_id, item_id, event_type, ts::timestamp FROM outcomes"}
    )
    status, out, err = at_hand("join", "--exposures", f"postgresql://me:{SECRET}@db/logs", "--outcomes", "o.jsonl")
    assert (status, out) == (1, "")
    assert "a database is no log (expected a query is asked in a dataset YAML: {type: postgres" in err
    no_secret(err)


def test_no_rows_hold(dsn, tables, tmp_path, monkeypatch):
    """A query without rows is an empty log: the run holds and says so."""
    monkeypatch.setenv("RECSYS_TEST_DSN", dsn)
    nothing = {**ask("outcomes"), "query": "SELECT * FROM outcomes WHERE false"}
    status, _, err = at_hand("join", "--dataset", dataset(tmp_path, exposures=ask("exposures"), outcomes=nothing))
    assert status == 2
    assert "hold: there is no valid outcome: the log is empty" in err


def test_a_report_does_not_overwrite_the_database(records, tmp_path):
    """A DuckDB file that is read is no place for a report."""
    for role, rows in records.items():
        log_databases.duckdb_file(tmp_path / "logs.duckdb", role, rows)
    before = (tmp_path / "logs.duckdb").read_bytes()
    logs = {role: {"type": "duckdb", "path": "logs.duckdb", "query": f"FROM {role}"} for role in records}
    named = dataset(tmp_path, **logs)
    status, _, err = at_hand("run", "--dataset", named, "--output", tmp_path / "logs.duckdb", "--output-format", "json")
    assert status == 1
    assert "it would overwrite what is read" in err
    assert (tmp_path / "logs.duckdb").read_bytes() == before


def test_it_ends_when_asked_to(dsn, tmp_path):
    """A long query is given up on SIGINT, and the server does not go on with it."""
    query = (
        "SELECT pg_sleep(60)::text AS request_id, 'u' AS user_id, now() AS ts, '[]'::jsonb AS items "
        "FROM generate_series(1, 9)"
    )
    log = {"type": "postgres", "dsn": dsn, "query": query}
    named = dataset(tmp_path, exposures=log, outcomes={"type": "jsonl", "path": "none.jsonl"})
    asked = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'recsys-eval' AND query LIKE 'COPY%'"
    program = Path(sys.executable).with_name("recsys-eval")
    with (
        psycopg.connect(dsn, autocommit=True) as connection,
        subprocess.Popen([program, "join", "--dataset", named], stderr=subprocess.PIPE) as running,
    ):

        def wait_for(count):
            until = time.monotonic() + 30
            while connection.execute(asked).fetchone() != (count,):
                assert time.monotonic() < until
                time.sleep(0.02)

        try:
            wait_for(1)
            running.send_signal(signal.SIGINT)
            assert running.wait(20) == 130
            wait_for(0)
        finally:
            running.kill()
