"""Logs in databases for tests: a PostgreSQL that is let in by password, tables of records, a DuckDB file of them."""

import json
import shutil
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import msgspec
import psycopg

from recsys.service.store import embedded
from service_world import public_folder

SECRET = "hunter2-s3cret"
COLUMNS = {
    "exposures": "request_id text, user_id text, ts timestamptz, items jsonb, context jsonb, latency_ms float8, "
    "error boolean",
    "outcomes": "request_id text, user_id text, item_id text, event_type text, ts timestamptz, value numeric, "
    "event_id text, context jsonb",
    "assignments": "experiment_id text, variant text, request_id text, user_id text, ts timestamptz, context jsonb",
}


def instant(text):
    """RFC 3339 as an instant of UTC: PostgreSQL does not take all offsets."""
    return msgspec.convert(text.upper(), datetime).astimezone(UTC)


def row_of(record, names):
    """The values of these fields; lists and objects as JSON, and numbers with all their digits."""
    return [_value(name, record.get(name)) for name in names]


def _value(name, value):
    if isinstance(value, list | dict):
        return json.dumps(value)
    if isinstance(value, float):
        return Decimal(repr(value))
    return instant(value) if name == "ts" else value


@contextmanager
def running():
    """The connection string, with its password in it, of a user who may do anything in an empty PostgreSQL."""
    folder = public_folder()
    try:
        with embedded.running(folder / "data") as url:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("ALTER SYSTEM SET fsync = off")  # nobody needs these tables after a power cut
                connection.execute(f"CREATE ROLE reader SUPERUSER LOGIN PASSWORD '{SECRET}'")
                [rules] = connection.execute("SHOW hba_file").fetchone() or [""]
                Path(rules).write_text("local all reader scram-sha-256\n" + Path(rules).read_text())
                connection.execute("SELECT pg_reload_conf()")
            known = psycopg.conninfo.conninfo_to_dict(url)
            yield psycopg.conninfo.make_conninfo(**{**known, "user": "reader", "password": SECRET})
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def fill(connection, role, records, table=None):
    """A table of these records, one column a field; a field that a record has not is NULL."""
    table = table or role
    names = [column.split()[0] for column in COLUMNS[role].split(", ")]
    connection.execute(f"DROP TABLE IF EXISTS {table}")
    connection.execute(f"CREATE TABLE {table} ({COLUMNS[role]})")
    with connection.cursor() as cursor:
        for record in records:
            row = row_of(record, names)
            cursor.execute(f"INSERT INTO {table} VALUES ({', '.join(['%s'] * len(names))})", row)


def duckdb_file(path, role, records):
    """A DuckDB file with a table of these records, lists and maps as DuckDB has them; returns its path."""
    types = {
        "items": "STRUCT(item_id VARCHAR, rank INTEGER)[]", "context": "MAP(VARCHAR, VARCHAR)", "ts": "TIMESTAMPTZ",
        "value": "DECIMAL(18, 2)", "latency_ms": "DOUBLE", "error": "BOOLEAN",
    }  # fmt: skip
    names = [column.split()[0] for column in COLUMNS[role].split(", ")]
    with duckdb.connect(path) as connection:
        columns = ", ".join(f"{name} {types.get(name, 'VARCHAR')}" for name in names)
        connection.execute(f"CREATE TABLE {role} ({columns})")
        for record in records:
            row = row_of(record, names)
            casts = ", ".join(f"?::JSON::{types[name]}" if name in {"items", "context"} else "?" for name in names)
            connection.execute(f"INSERT INTO {role} VALUES ({casts})", row)
    return path
