"""Rows of CSV, TSV, JSONL and Parquet files as mappings, with the line each came from."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import msgspec

from recsys.errors import InputError, UsageError

TAB_SUFFIXES = (".tsv", ".tab", ".inter", ".item")
JSON_SUFFIXES = (".jsonl", ".ndjson")
MAX_FIELD = 1 << 20
ZONED = ("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS")
BOM = b"\xef\xbb\xbf"
_NOT_UTF8 = re.compile("[\udc80-\udcff]")  # what surrogateescape makes of other bytes

Row = tuple[int, dict[str, Any] | str]
"""The line of the file (1-based; the row in Parquet) and its fields; or what is wrong with a line that is no row."""
Progress = Callable[[int, int], None]
Header = Callable[[list[str]], None]
"""Called with the columns of a file that names them before its rows."""


def read(path: Path, on_header: Header, on_progress: Progress | None = None) -> Iterator[Row]:
    """The rows of a file, by its suffix; InputError where it cannot be read at all."""
    if not path.is_file():
        raise InputError("no such file", where=str(path))
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        yield from _parquet(path, on_header, on_progress)
    elif suffix in JSON_SUFFIXES:
        yield from _jsonl(path, on_progress)
    elif suffix in (".csv", *TAB_SUFFIXES):
        yield from _csv(path, "\t" if suffix in TAB_SUFFIXES else ",", on_header, on_progress)
    else:
        known = ", ".join((".csv", *TAB_SUFFIXES, *JSON_SUFFIXES, ".parquet"))
        raise UsageError("the kind of file is not known", where=str(path), found=suffix or "no suffix", expected=known)


def _jsonl(path: Path, on_progress: Progress | None) -> Iterator[Row]:
    size = path.stat().st_size
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if on_progress is not None and number % 1000 == 0:
                on_progress(file.tell(), size)
            line = line.removeprefix(BOM) if number == 1 else line
            if not line.strip():
                continue
            try:
                row = msgspec.json.decode(line)
            except (msgspec.DecodeError, RecursionError) as error:
                yield number, f"not JSON: {error}"
                continue
            yield number, row if isinstance(row, dict) else "not a JSON object"


def _csv(path: Path, delimiter: str, on_header: Header, on_progress: Progress | None) -> Iterator[Row]:
    size = path.stat().st_size
    csv.field_size_limit(MAX_FIELD)
    quoting = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    with path.open("rb") as binary:
        text = TextIOWrapper(binary, encoding="utf-8-sig", errors="surrogateescape", newline="")
        rows = csv.reader(text, delimiter=delimiter, quoting=quoting)
        header = _header(path, rows)
        on_header(header)
        for line, row in _numbered(rows):
            if on_progress is not None and line % 1000 == 0:
                on_progress(binary.tell(), size)
            if row:
                yield line, row if isinstance(row, str) else _named(header, row)


def _header(path: Path, rows: Any) -> list[str]:
    try:
        header = next(rows, None)
    except csv.Error as error:
        raise InputError("the header cannot be read", where=f"{path}:1", found=str(error)) from None
    if not header:
        raise InputError("the file is empty", where=str(path), expected="a header line")
    if len(set(header)) != len(header):
        raise InputError("a column is named twice", where=f"{path}:1", found=", ".join(header))
    return header


def _numbered(rows: Any) -> Iterator[tuple[int, list[str] | str]]:
    """Each row with the line it begins on; in place of a row that cannot be read, why."""
    while True:
        line = rows.line_num + 1
        try:
            yield line, next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, f"not a row: {error}"


def _named(header: list[str], row: list[str]) -> dict[str, Any] | str:
    """The fields by their columns, empty ones left out; or what is wrong with the row."""
    if len(row) != len(header):
        return f"found {len(row)} fields, expected {len(header)}"
    if _NOT_UTF8.search("".join(row)):
        return "not UTF-8"
    return {name: value for name, value in zip(header, row, strict=True) if value != ""}


def _parquet(path: Path, on_header: Header, on_progress: Progress | None) -> Iterator[Row]:
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        try:
            described = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
            # Instants as text: the driver would want a time zone library to hand them over
            columns = ", ".join(_column(name, kind) for name, kind, *_ in described)
            total = connection.execute("SELECT count(*) FROM read_parquet(?)", [str(path)]).fetchall()[0][0]
            found = connection.execute(f"SELECT {columns} FROM read_parquet(?)", [str(path)])  # noqa: S608 - the file's own column names, quoted
        except duckdb.Error as error:
            told = str(error).splitlines()[0][:200]
            raise InputError("not a Parquet file that can be read", where=str(path), found=told) from None
        names = [name for name, *_ in described]
        on_header(names)
        number = 0
        while batch := found.fetchmany(10_000):
            for values in batch:
                number += 1
                yield number, {name: value for name, value in zip(names, values, strict=True) if value is not None}
            if on_progress is not None:
                on_progress(number, total)


def _column(name: str, kind: str) -> str:
    quoted = '"' + name.replace('"', '""') + '"'
    if kind in ZONED:
        return f"strftime({quoted}::TIMESTAMPTZ, '%Y-%m-%dT%H:%M:%S.%fZ') AS {quoted}"
    return f"{quoted}::VARCHAR AS {quoted}" if "TIME ZONE" in kind or "TIMESTAMPTZ" in kind else quoted
