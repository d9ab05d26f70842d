"""PostgreSQL: the rows of a query as JSON lines, streamed, in a transaction that can only read.

The server makes the JSON, so that a number keeps its digits and an instant its zone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from recsys.attribution import environment
from recsys.attribution.queries import in_brackets
from recsys.attribution.queries.postgres_errors import refusal, unreachable
from recsys.attribution.queries.postgres_types import Column, check
from recsys.errors import ConfigError
from recsys.eventlog.reader import temporary

if TYPE_CHECKING:
    from psycopg import Connection

CONNECT_SECONDS = 10
CANCEL_SECONDS = 2
WRITTEN_AT_ONCE = 1 << 20
SETTINGS = ("TimeZone = 'UTC'", "DateStyle = 'ISO'", "extra_float_digits = 3", "standard_conforming_strings = on")
"""What the JSON of a row depends on, and how a text in a query is read."""


def write_rows(dsn: str, query: str, role: str, target: Path, name: str) -> None:
    """Write the rows of ``query`` to ``target``, one JSON object a line, without its NULLs.

    ``dsn`` may hold environment variables (``environment.expanded``). ConfigError where it is no connection string,
    StorageError where the database does not answer, InputError where the query fails or its columns are not those of
    the log. No error shows any part of the connection string.
    """
    with _connected(dsn, name) as connection, temporary(target) as write:
        check(_columns(connection, query, name), role, name)
        rows = f"COPY (SELECT json_strip_nulls(row_to_json(log)) FROM {in_brackets(query)}) TO STDOUT"
        with _asking(name), connection.cursor() as cursor, cursor.copy(rows.encode()) as lines:
            for batch in _batches(bytes(line) for line in lines):
                write(batch.replace(b"\\\\", b"\\"))  # of a line of JSON the format doubles backslashes, no more


def columns(dsn: str, query: str, role: str, name: str) -> list[Column]:
    """The columns of ``query``, which are checked; no row is asked for. The same errors as ``write_rows``."""
    with _connected(dsn, name) as connection:
        found = _columns(connection, query, name)
        check(found, role, name)
        return found


def _batches(lines: Iterable[bytes]) -> Iterator[bytes]:
    gathered, size = [], 0
    for line in lines:
        gathered.append(line)
        size += len(line)
        if size >= WRITTEN_AT_ONCE:
            yield b"".join(gathered)
            gathered, size = [], 0
    yield b"".join(gathered)


@contextmanager
def _connected(dsn: str, name: str) -> Iterator[Connection]:
    """A connection in a transaction that reads the database as it was at one moment."""
    import psycopg  # late: few runs need it
    from psycopg.conninfo import conninfo_to_dict

    secret = environment.expanded(dsn, where=f"{name}: dsn")
    try:
        given = conninfo_to_dict(secret)
    except psycopg.Error:  # its message quotes what it could not read
        expected = "postgresql://user@host/database, or host=… dbname=…"
        hint = "In a URL, characters of a password such as @ : / % are written as %40 %3A %2F %25."
        raise ConfigError("the dsn is no connection string", where=name, expected=expected, hint=hint) from None
    options = {"connect_timeout": CONNECT_SECONDS, "fallback_application_name": "recsys-eval"} | given
    try:
        connection = psycopg.connect(**{**options, "client_encoding": "UTF8"})
    except psycopg.Error as error:
        raise unreachable(error, name) from None
    try:
        connection.read_only = True
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with _asking(name):
            for setting in SETTINGS:
                connection.execute(f"SET LOCAL {setting}".encode())
        yield connection
    except Exception:
        raise
    except BaseException:  # the program is to end: the server would go on with the query until it has a row to send
        with suppress(psycopg.Error):
            connection.cancel_safe(timeout=CANCEL_SECONDS)
        raise
    finally:
        connection.close()


def _columns(connection: Connection, query: str, name: str) -> list[Column]:
    """The columns of the query. It is parsed and planned, and no row of it is asked for."""
    before = "SELECT * FROM "
    with _asking(name, query, len(before) + len("(\n")):
        # In binary, because that way the server takes one statement, and no second one behind a semicolon
        cursor = connection.execute(f"{before}{in_brackets(query)} LIMIT 0".encode(), binary=True)
        described = cursor.description or []
        types = connection.execute(
            "SELECT oid::int8, typname, typcategory, format_type(oid, NULL) FROM pg_type WHERE oid = ANY(%s)",
            [[column.type_code for column in described]],
        ).fetchall()
    by_oid = {oid: told for oid, *told in types}
    return [Column(column.name, *by_oid[column.type_code]) for column in described]


@contextmanager
def _asking(name: str, query: str = "", before: int = 0) -> Iterator[None]:
    """What goes wrong in the block, told. ``before``: how many characters of a statement stand before ``query``."""
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        raise refusal(error, name, query, before) from None
