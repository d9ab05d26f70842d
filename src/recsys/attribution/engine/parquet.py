"""Logs kept as Parquet: the file's schema fixes the types, and a query checks the rules that types do not hold.

A row that breaks one is ``invalid`` and never reaches a relation, as a line of JSONL would not.
"""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import duckdb
from msgspec import Struct

from recsys.attribution.engine.parquet_rules import (
    INSTANT,
    PROPENSITIES,
    TEXT,
    bad_text,
    checked,
    fault,
    item_fields,
    text,
    typed,
    with_item_propensities,
    with_propensities,
)
from recsys.attribution.named import PARQUET, parquet_files, parquet_matches
from recsys.contracts.report import Input
from recsys.contracts.types import MAX_RANK
from recsys.errors import InputError
from recsys.eventlog import remote
from recsys.eventlog.accept import Origin
from recsys.eventlog.faults import Fault
from recsys.eventlog.reader import LogFile, fetch, refuse_twice
from recsys.eventlog.remote import Remote, is_url

__all__ = [
    "INSTANT", "TEXT", "AcceptedParquet", "Alike", "accept", "accept_files", "alike", "check_columns", "fault",
    "item_fields", "local", "named_files", "rows_of", "source", "text",
]  # fmt: skip
SHOWN_FAULTS = 5
MEMORY = "1GB"
"""What checking may take; it streams, but for the table of all items."""
FEW = 4
"""So many files are looked at one by one."""


class AcceptedParquet(Struct, frozen=True, kw_only=True):
    """The files of one role, and an account of their rows. ``origins``: each file as a person knows it."""

    paths: list[Path]
    origins: list[Origin]
    inputs: list[Input]
    rows: int
    invalid: int
    faults: list[Fault]


class Alike(Struct, frozen=True):
    """Files with the same columns, column → type: one query reads them all."""

    columns: dict[str, str]
    paths: list[Path]


def accept(
    specs: Sequence[str],
    role: Literal["exposures", "outcomes", "assignments"],
    *,
    scratch: Path,
    max_faults: int = SHOWN_FAULTS,
) -> AcceptedParquet:
    """Check every row of the files named by ``specs``: files, folders with all below them, globs, URLs. Objects are
    fetched into ``scratch``, where also goes what does not fit into memory.

    InputError where a file is no Parquet, or its columns are not those of the log.
    """
    return accept_files(local(named_files(specs), scratch), role, scratch, max_faults=max_faults)


def named_files(specs: Sequence[str]) -> list[LogFile]:
    """The files, and objects, behind the specs. InputError where nothing is there, or a file is there twice."""
    return refuse_twice([path for spec in specs for path in _expand(spec)])


def local(files: Sequence[LogFile], scratch: Path) -> list[tuple[Path, str]]:
    """Each file with the name by which a person knows it. Objects are fetched into ``scratch``."""
    return [(fetch(file, scratch) if isinstance(file, Remote) else file, str(file)) for file in files]


def accept_files(
    files: Sequence[tuple[Path, str]],
    role: Literal["exposures", "outcomes", "assignments"],
    scratch: Path,
    *,
    max_faults: int = SHOWN_FAULTS,
) -> AcceptedParquet:
    """The same for files with the names by which people know them."""
    paths, names = [path for path, _ in files], dict(files)
    with _connected(scratch) as connection:
        groups = alike(connection, paths, role, names)
        counted = dict.fromkeys(paths, (0, 0))
        for group in groups:
            counted |= _count(connection, group, role, names)
        faults = [
            first
            for path in paths
            if counted[path][1]
            for first in _first_faults(connection, path, names[path], role, max_faults)
        ]
    inputs = [
        Input(role=role, path=name, bytes=path.stat().st_size, sha256=_sha256(path), rows=rows, invalid=bad)
        for (path, name), (rows, bad) in zip(files, counted.values(), strict=True)
    ]
    return AcceptedParquet(
        paths=paths,
        origins=[Origin(name) for _, name in files],
        inputs=inputs,
        rows=sum(rows for rows, _ in counted.values()),
        invalid=sum(bad for _, bad in counted.values()),
        faults=faults,
    )


@contextmanager
def _connected(scratch: Path) -> Iterator[Any]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"SET memory_limit = {text(MEMORY)}")
        connection.execute(f"SET temp_directory = {text(str(scratch))}")
        yield connection


def source(paths: Sequence[Path], role: str, *, only_valid: bool) -> str:
    """A query with the typed columns of the log and ``ts_us``, of the valid rows."""
    with duckdb.connect() as connection:
        parts = []
        for group in alike(connection, paths, role, {}):
            where = f" WHERE {fault(group.columns, role)} IS NULL" if only_valid else ""
            parts.append(f"SELECT {typed(group.columns, role)} FROM {rows_of(group.paths)}{where}")
    return " UNION ALL ".join(parts)


def propensities(paths: Sequence[Path], *, only_valid: bool) -> str:
    """A query with ``request_id``, ``ts_us`` and the propensities of the ``items`` of the valid exposures."""
    with duckdb.connect() as connection:
        parts = []
        for group in alike(connection, paths, "exposures", {}):
            where = f" WHERE {fault(group.columns, 'exposures')} IS NULL" if only_valid else ""
            parts.append(f"SELECT {with_propensities(group.columns)} FROM {rows_of(group.paths)}{where}")
    return " UNION ALL ".join(parts)


def item_propensities(paths: Sequence[Path], *, only_valid: bool) -> str:
    """A query with ``request_id``, ``kind``, and the ``items`` of the valid exposures with their propensities."""
    with duckdb.connect() as connection:
        parts = []
        for group in alike(connection, paths, "exposures", {}):
            where = f" WHERE {fault(group.columns, 'exposures')} IS NULL" if only_valid else ""
            parts.append(f"SELECT {with_item_propensities(group.columns)} FROM {rows_of(group.paths)}{where}")
    return " UNION ALL ".join(parts)


def _expand(spec: str) -> Sequence[LogFile]:
    if is_url(spec):
        return remote.expand(spec, (PARQUET,))
    path = Path(spec)
    try:
        found = parquet_files(path) if path.is_dir() else [path] if path.exists() else parquet_matches(spec)
    except OSError as error:
        raise InputError("cannot be read", where=error.filename or spec, found=error.strerror or "") from None
    if not found:
        raise InputError("no such file", where=spec, hint="Give a Parquet file, a folder of them, a glob, or a URL.")
    return found


def rows_of(paths: Sequence[Path], options: str = "") -> str:
    """The rows of these files: their names are no patterns, and add no column."""
    return f"read_parquet({names_of(paths)}, hive_partitioning = false{options})"


def names_of(paths: Sequence[Path]) -> str:
    """The files as a list of names that are no patterns."""
    return f"[{', '.join(text(glob.escape(str(path))) for path in paths)}]"


def alike(connection: Any, paths: Sequence[Path], role: str, names: Mapping[Path, str]) -> list[Alike]:
    """The files by their columns, which are checked. Files with the same schema in Parquet's words have the same types
    here, so that one of them is looked at."""
    groups: dict[Any, Alike] = {}
    for path, schema in zip(paths, _schemas(connection, paths), strict=True):
        key = schema or path
        if key in groups:
            groups[key].paths.append(path)
        else:
            groups[key] = Alike(_columns(connection, path, names.get(path, str(path)), role), [path])
    return list(groups.values())


def _schemas(connection: Any, paths: Sequence[Path]) -> list[tuple[Any, ...]]:
    """The schema of each file, as its footer says; nothing where one of them cannot be read, which is told later."""
    if len(paths) < FEW:
        return [()] * len(paths)
    found: dict[str, list[Any]] = {str(path): [] for path in paths}
    listed = ", ".join(text(glob.escape(str(path))) for path in paths)
    try:
        rows = connection.execute(f"SELECT * FROM parquet_schema([{listed}])").fetchall()
    except duckdb.Error:
        return [()] * len(paths)
    for name, *element in rows:
        found[name].append(tuple(str(value) for value in element))
    return [tuple(found[str(path)]) for path in paths]


def _count(connection: Any, group: Alike, role: str, names: Mapping[Path, str]) -> dict[Path, tuple[int, int]]:
    """The rows of each file, and how many of them are invalid."""
    try:
        return _counted(connection, group, role)
    except duckdb.Error as error:
        if len(group.paths) == 1:
            [path] = group.paths
            raise InputError(
                "not a Parquet file that can be read", where=names[path], found=_first_line(error)
            ) from None
    one_by_one = [_count(connection, Alike(group.columns, [path]), role, names) for path in group.paths]
    return {path: counts for each in one_by_one for path, counts in each.items()}


def _counted(connection: Any, group: Alike, role: str) -> dict[Path, tuple[int, int]]:
    items_differ = role == "exposures" and not _sound_items(connection, group)
    broken = fault(group.columns, role, items=items_differ)
    counted = connection.execute(
        "SELECT filename, count(*), count(fault) FROM "
        f"(SELECT filename, {broken} AS fault FROM {rows_of(group.paths, ', filename = true')}) GROUP BY filename"
    ).fetchall()
    by_name = {name: (rows, bad) for name, rows, bad in counted}
    return {path: by_name.get(str(path), (0, 0)) for path in group.paths}


def _sound_items(connection: Any, group: Alike) -> bool:
    """Whether all items of all lists are as they must be: a look at each item of the catalogue instead of each row."""
    present = [name for name in PROPENSITIES if name in item_fields(group.columns["items"])]
    rows = rows_of(group.paths)
    has_scores = "score" in item_fields(group.columns["items"])
    scores = "coalesce(bool_and(isfinite(i.score::DOUBLE)), TRUE)" if has_scores else "TRUE"
    ranges = "".join(f", min(i.{name}::DOUBLE) AS low_{name}, max(i.{name}::DOUBLE) AS high_{name}" for name in present)
    outside = "".join(f" OR NOT (coalesce(low_{name}, 0) >= 0 AND coalesce(high_{name}, 1) <= 1)" for name in present)
    query = f"""
        WITH per_item AS (
            SELECT i.item_id, min(i.rank) AS low, max(i.rank) AS high, count(*) AS n, count(i.rank) AS ranks,
                {scores} AS finite{ranges}
            FROM (SELECT unnest(items) AS i FROM {rows}) GROUP BY i.item_id
        )
        SELECT
            (SELECT count(*) FROM {rows} WHERE items IS NULL) = 0
            AND (SELECT count(*) FROM per_item WHERE {bad_text("item_id")}
                 OR ranks < n OR NOT finite OR low < 1 OR high > {MAX_RANK}{outside}) = 0
    """
    return connection.execute(query).fetchone()[0]


def _first_faults(connection: Any, path: Path, name: str, role: str, most: int) -> list[Fault]:
    columns = _columns(connection, path, name, role)
    query = (
        f"SELECT file_row_number, fault FROM (SELECT file_row_number, {fault(columns, role)} AS fault "
        f"FROM {rows_of([path], ', file_row_number = true')}) WHERE fault IS NOT NULL ORDER BY file_row_number LIMIT ?"
    )
    found = connection.execute(query, [most]).fetchall()
    return [
        Fault(
            file=name, line=row + 1, byte_offset=0, path=f"$.{broken.split(':')[0]}", rule="value",
            found="another value", expected=broken.split(":", 1)[1].strip(), hint="The line is the row of the file.",
        )
        for row, broken in found
    ]  # fmt: skip


def check_columns(path: Path, name: str, role: str) -> None:
    """InputError where the columns of the file, known as ``name``, are not those of the log."""
    with duckdb.connect() as connection:
        _columns(connection, path, name, role)


def _columns(connection: Any, path: Path, name: str, role: str) -> dict[str, str]:
    """Column → type of the file, after checking them against the contract. Optional ones without a type are absent."""
    try:
        described = connection.execute(f"DESCRIBE SELECT * FROM {rows_of([path])}").fetchall()
    except duckdb.Error as error:
        raise InputError("not a Parquet file that can be read", where=name, found=_first_line(error)) from None
    return checked({column: kind for column, kind, *_ in described}, role, name)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200]


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
