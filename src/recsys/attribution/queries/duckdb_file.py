"""A DuckDB file: the rows of a query as Parquet, which keeps their types; the file is opened to be read only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from recsys.attribution.engine import parquet
from recsys.attribution.queries import in_brackets
from recsys.errors import InputError, StorageError

MEMORY = "1GB"
ABOUT_THE_QUERY = (
    duckdb.BinderException, duckdb.CatalogException, duckdb.NotImplementedException, duckdb.ParserException,
    duckdb.PermissionException, duckdb.SyntaxException,
)  # fmt: skip
"""Errors whose messages hold words of the query and names of the database, and no values."""


def write_rows(file: str, query: str, role: str, target: Path, name: str) -> None:
    """Write the rows of ``query`` to the Parquet file ``target``; what does not fit into memory goes beside it.

    InputError where the file is no DuckDB database, the query fails, or its columns are not those of the log.
    """
    with _connected(file, target.parent) as connection:
        _copy(connection, f"SELECT * FROM {in_brackets(query)} LIMIT 0", target, name)
        parquet.check_columns(target, name, role)  # before the query is asked for all of its rows
        _copy(connection, f"SELECT * FROM {in_brackets(query)}", target, name)


def _copy(connection: Any, query: str, target: Path, name: str) -> None:
    try:
        connection.execute(f"COPY ({query}) TO {_text(str(target))} (FORMAT parquet, COMPRESSION zstd)")
    except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
        hint = "Free space in the temporary folder (TMPDIR), or ask for fewer rows at a time."
        raise StorageError("the rows cannot be written", where=name, found=_first_line(error), hint=hint) from None
    except ABOUT_THE_QUERY as error:
        raise InputError("the query fails", where=name, found=_first_line(error)) from None
    except duckdb.Error as error:
        hint = "The message may hold values of rows and is not shown: ask the query in DuckDB."
        raise InputError("the query fails", where=name, found=_in_words(error), hint=hint) from None


@contextmanager
def _connected(file: str, scratch: Path) -> Iterator[Any]:
    if not Path(file).is_file():
        raise InputError("no such file", where=file, hint="Give the path of a DuckDB file.")
    try:
        connection = duckdb.connect(file, read_only=True, config={"autoinstall_known_extensions": "false"})
    except duckdb.Error as error:
        hint = "Close what writes to it, or copy it first." if "lock" in str(error) else ""
        raise InputError(
            "not a DuckDB file that can be read", where=file, found=_first_line(error), hint=hint
        ) from None
    with connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"SET memory_limit = {_text(MEMORY)}")
        connection.execute(f"SET temp_directory = {_text(str(scratch))}")
        yield connection


def _in_words(error: duckdb.Error) -> str:
    """``ConversionException`` → "conversion error"."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", type(error).__name__).lower().replace("exception", "error")


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200]


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
