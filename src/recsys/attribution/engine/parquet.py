"""Logs kept as Parquet: the file's schema fixes the types, and a query checks the rules that types do not hold.

A row that breaks one is ``invalid`` and never reaches a relation, as a line of JSONL would not.
"""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import duckdb
from msgspec import Struct

from recsys.attribution.engine import lists
from recsys.contracts.report import Input
from recsys.contracts.types import CONTROL_CHARACTERS, FIRST_YEAR, LAST_YEAR, MAX_ID_LENGTH, MAX_RANK, TIMESTAMP_PATTERN
from recsys.errors import InputError
from recsys.eventlog.faults import Fault
from recsys.eventlog.reader import refuse_twice
from recsys.eventlog.remote import is_url, no_parquet

SHOWN_FAULTS = 5
TEXT = "VARCHAR"
INSTANT = "TIMESTAMP WITH TIME ZONE"
FINE_INSTANT = "TIMESTAMPTZ_NS"
NOTHING = '"NULL"'
"""The type of a column that its writer never gave a value."""
NUMBERS = frozenset(
    {"DOUBLE", "FLOAT", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
)
REQUIRED = {
    "exposures": ("request_id", "user_id", "ts", "items"),
    "outcomes": ("request_id", "user_id", "item_id", "event_type", "ts"),
    "assignments": ("experiment_id", "variant", "request_id", "user_id", "ts"),
}
OPTIONAL = {
    "exposures": ("context", "latency_ms", "error"),
    "outcomes": ("value", "event_id", "context"),
    "assignments": ("context",),
}
ITEM_FIELDS = ("item_id", "rank", "propensity", "logging_propensity", "target_propensity")
PROPENSITIES = ITEM_FIELDS[2:]
_BLANK = r"^[\s\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]*$"
_CONTROL = CONTROL_CHARACTERS.replace(r"\u00", r"\x")


class AcceptedParquet(Struct, frozen=True, kw_only=True):
    """The files of one role, and an account of their rows."""

    paths: list[Path]
    inputs: list[Input]
    rows: int
    invalid: int
    faults: list[Fault]


def accept(
    specs: Sequence[str],
    role: Literal["exposures", "outcomes", "assignments"],
    *,
    max_faults: int = SHOWN_FAULTS,
) -> AcceptedParquet:
    """Check every row of the files. InputError where a file is no Parquet, or its columns are not those of the log."""
    paths = refuse_twice([path for spec in specs for path in _expand(spec)])
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        counted = [_count(connection, path, role) for path in paths]
        faults = [fault for path, (_, bad) in zip(paths, counted, strict=True) if bad for fault in
                  _first_faults(connection, path, role, max_faults)]  # fmt: skip
    inputs = [
        Input(role=role, path=str(path), bytes=path.stat().st_size, sha256=_sha256(path), rows=rows, invalid=bad)
        for path, (rows, bad) in zip(paths, counted, strict=True)
    ]
    return AcceptedParquet(
        paths=paths,
        inputs=inputs,
        rows=sum(rows for rows, _ in counted),
        invalid=sum(bad for _, bad in counted),
        faults=faults,
    )


def source(paths: Sequence[Path], role: str, *, only_valid: bool) -> str:
    """A query with the typed columns of the log and ``ts_us``, of the valid rows."""
    with duckdb.connect() as connection:
        parts = []
        for path in paths:
            columns = _columns(connection, path, role)
            where = f" WHERE {_fault(columns, role)} IS NULL" if only_valid else ""
            parts.append(f"SELECT {_typed(columns, role)} FROM {_file(path)}{where}")
    return " UNION ALL ".join(parts)


def _expand(spec: str) -> list[Path]:
    if is_url(spec):
        raise no_parquet(spec)
    path = Path(spec)
    if path.is_dir():
        found = sorted(path.glob("*.parquet"))
    elif path.exists():
        return [path]
    else:
        found = sorted(Path(name) for name in glob.glob(spec, recursive=True) if Path(name).is_file())  # noqa: PTH207 - absolute patterns too
    if not found:
        raise InputError("no such file", where=spec, hint="Give a Parquet file, a folder of them, or a glob.")
    return found


def _file(path: Path, options: str = "") -> str:
    """The rows of this one file: its name is no pattern, and adds no column."""
    return f"read_parquet({_text(glob.escape(str(path)))}, hive_partitioning = false{options})"


def _count(connection: Any, path: Path, role: str) -> tuple[int, int]:
    columns = _columns(connection, path, role)
    items_differ = role == "exposures" and not _sound_items(connection, path, columns["items"])
    fault = _fault(columns, role, items=items_differ)
    rows, bad = connection.execute(
        f"SELECT count(*), count(fault) FROM (SELECT {fault} AS fault FROM {_file(path)})"
    ).fetchone()
    return rows, bad


def _sound_items(connection: Any, path: Path, kind: str) -> bool:
    """Whether all items of all lists are as they must be: a look at each item of the catalogue instead of each row."""
    present = [name for name in PROPENSITIES if name in _item_fields(kind)]
    ranges = "".join(f", min(i.{name}::DOUBLE) AS low_{name}, max(i.{name}::DOUBLE) AS high_{name}" for name in present)
    outside = "".join(f" OR NOT (coalesce(low_{name}, 0) >= 0 AND coalesce(high_{name}, 1) <= 1)" for name in present)
    query = f"""
        WITH per_item AS (
            SELECT i.item_id, min(i.rank) AS low, max(i.rank) AS high, count(*) AS n, count(i.rank) AS ranks{ranges}
            FROM (SELECT unnest(items) AS i FROM {_file(path)}) GROUP BY i.item_id
        )
        SELECT
            (SELECT count(*) FROM {_file(path)} WHERE items IS NULL) = 0
            AND (SELECT count(*) FROM per_item WHERE {_bad_text("item_id")}
                 OR ranks < n OR low < 1 OR high > {MAX_RANK}{outside}) = 0
    """
    return connection.execute(query).fetchone()[0]


def _first_faults(connection: Any, path: Path, role: str, most: int) -> list[Fault]:
    columns = _columns(connection, path, role)
    query = (
        f"SELECT file_row_number, fault FROM (SELECT file_row_number, {_fault(columns, role)} AS fault "
        f"FROM {_file(path, ', file_row_number = true')}) WHERE fault IS NOT NULL ORDER BY file_row_number LIMIT ?"
    )
    found = connection.execute(query, [most]).fetchall()
    return [
        Fault(
            file=str(path), line=row + 1, byte_offset=0, path=f"$.{fault.split(':')[0]}", rule="value",
            found="another value", expected=fault.split(":", 1)[1].strip(), hint="The line is the row of the file.",
        )
        for row, fault in found
    ]  # fmt: skip


def _columns(connection: Any, path: Path, role: str) -> dict[str, str]:
    """Column → type of the file, after checking them against the contract. Optional ones without a type are absent."""
    try:
        described = connection.execute(f"DESCRIBE SELECT * FROM {_file(path)}").fetchall()
    except duckdb.Error as error:
        raise InputError("not a Parquet file that can be read", where=str(path), found=_first_line(error)) from None
    columns = {name: kind for name, kind, *_ in described if not (kind == NOTHING and name in OPTIONAL[role])}
    known = (*REQUIRED[role], *OPTIONAL[role])
    for name in REQUIRED[role]:
        if name not in columns:
            raise InputError(
                "a column is missing",
                where=str(path),
                expected=name,
                found=", ".join(columns),
                hint=f"A log of {role} has the columns {', '.join(REQUIRED[role])}.",
            )
    for name, kind in columns.items():
        if name not in known:
            raise InputError("unknown column", where=str(path), found=name, expected=", ".join(known))
        _check_type(path, name, kind)
    return columns


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200]


def _check_type(path: Path, name: str, kind: str) -> None:
    def refuse(expected: str) -> None:
        raise InputError(f"the column {name} has another type", where=str(path), found=kind[:200], expected=expected)

    if name == "ts" and kind not in {TEXT, INSTANT, FINE_INSTANT}:
        refuse("a timestamp with time zone (UTC-adjusted), or RFC 3339 text")
    elif name in {"latency_ms", "value"} and not _is_number(kind):
        refuse("a number")
    elif name == "error" and kind != "BOOLEAN":
        refuse("BOOLEAN")
    elif name == "context" and kind != "MAP(VARCHAR, VARCHAR)":
        refuse("MAP(VARCHAR, VARCHAR)")
    elif name == "items" and not _is_item_list(kind):
        refuse(f"a list of STRUCT({', '.join(ITEM_FIELDS)})")
    elif name not in {"ts", "latency_ms", "value", "error", "context", "items"} and kind != TEXT:
        refuse("text")


def _is_number(kind: str) -> bool:
    return kind in NUMBERS or kind.startswith("DECIMAL(")


def _is_item_list(kind: str) -> bool:
    fields = _item_fields(kind)
    if set(fields) - set(ITEM_FIELDS) or fields.get("item_id") != TEXT:
        return False
    return fields.get("rank") in NUMBERS - {"DOUBLE", "FLOAT"} and all(
        _is_number(fields[name]) for name in PROPENSITIES if name in fields
    )


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _fault(columns: dict[str, str], role: str, *, items: bool = True) -> str:
    """An SQL expression: the first rule that a row breaks, as ``column: expected``; NULL for a valid row.

    ``items`` False: those of all rows are known to be sound."""
    cases = [_bad_id(name) for name in REQUIRED[role] if name not in {"ts", "items", "event_type"}]
    cases.append(_bad_instant(columns["ts"]))
    if role == "outcomes":
        cases.append(
            ("event_type IS NULL OR event_type NOT IN ('click', 'conversion')", "event_type: click or conversion")
        )
    if "event_id" in columns:
        condition, told = _bad_id("event_id")
        cases.append((f"event_id IS NOT NULL AND ({condition})", told))
    if items and "items" in columns:
        cases += _bad_items(columns["items"])
    if "latency_ms" in columns:
        cases.append(("NOT (latency_ms >= 0 AND isfinite(latency_ms::DOUBLE))", "latency_ms: a number, 0 or more"))
    if "value" in columns:
        cases.append(("NOT isfinite(value::DOUBLE)", "value: a finite number"))
    if "context" in columns:
        cases.append(("list_contains(list_transform(map_values(context), lambda x: x IS NULL), true)",
                      "context: text values"))  # fmt: skip
    whens = " ".join(f"WHEN {condition} THEN {_text(told)}" for condition, told in cases)
    return f"CASE {whens} END"


def _bad_id(name: str) -> tuple[str, str]:
    return _bad_text(name), f"{name}: 1 to {MAX_ID_LENGTH} characters, not blank, no control characters"


def _bad_text(value: str) -> str:
    """True for NULL and for text that cannot be an identifier. Plain printable ASCII is seen by one cheap pattern."""
    return (
        f"CASE WHEN regexp_full_match({value}, '[!-~]{{1,{MAX_ID_LENGTH}}}') THEN FALSE "
        f"ELSE {value} IS NULL OR length({value}) > {MAX_ID_LENGTH} OR regexp_matches({value}, '[{_CONTROL}]') "
        f"OR regexp_matches({value}, '{_BLANK}') END"
    )


def _bad_instant(kind: str) -> tuple[str, str]:
    told = f"ts: an instant of the years {FIRST_YEAR} to {LAST_YEAR}, with its offset"
    if kind == TEXT:
        return f"ts IS NULL OR NOT regexp_full_match(ts, {_text(TIMESTAMP_PATTERN)})", told
    instant = f"ts::{INSTANT}"
    # A range is mostly judged by the file's statistics; infinite instants are outside it
    bad = f"ts IS NULL OR {instant} < '{FIRST_YEAR}-01-01' OR {instant} >= '{LAST_YEAR + 1}-01-01'"
    if kind == FINE_INSTANT:
        return f"{bad} OR epoch_ns(ts) % 1000 <> 0", f"{told}, in whole microseconds"
    return bad, told


def _bad_items(kind: str) -> list[tuple[str, str]]:
    told = f"items: a list of items, each with an item_id and a rank 1 to {MAX_RANK}"
    ids = "list_transform(items, lambda x: x.item_id)"
    ranks = "list_transform(items, lambda x: x.rank)"
    # One look at all ids of a list tells mostly that they are plain; else they are judged one by one
    plain = (
        f"list_count({ids}) = len(items) AND list_max(list_transform(items, lambda x: strlen(x.item_id))) "
        f"<= {MAX_ID_LENGTH} AND regexp_full_match(array_to_string({ids}, ' '), '[!-~]+( [!-~]+)*')"
    )
    one_by_one = f"list_contains(list_transform({ids}, lambda i: {_bad_text('i')}), true)"
    bad = f"CASE WHEN {plain} THEN FALSE ELSE {one_by_one} END"
    out_of_range = f"list_min({ranks}) < 1 OR list_max({ranks}) > {MAX_RANK}"
    cases = [
        ("items IS NULL", told),
        (f"len(items) > 0 AND (list_count({ranks}) < len(items) OR {out_of_range})", told),
        (bad, told),
    ]  # fmt: skip
    for name in PROPENSITIES:
        if name in _item_fields(kind):
            values = f"list_transform(items, lambda x: x.{name}::DOUBLE)"
            cases.append((f"NOT (coalesce(list_min({values}), 0) >= 0 AND coalesce(list_max({values}), 1) <= 1)",
                          f"items: {name} in [0, 1]"))  # fmt: skip
    return cases


def _typed(columns: dict[str, str], role: str) -> str:
    """The select list that gives a Parquet log the columns of a JSONL log."""
    instant = f"CAST({'upper(ts)' if columns['ts'] == TEXT else 'ts'} AS {INSTANT})"
    chosen = [f"epoch_us({instant}) AS ts_us"]
    chosen += [name for name in REQUIRED[role] if name not in {"ts", "items"}]
    if role == "exposures":
        present = _item_fields(columns["items"])
        chosen.append(lists.item_columns([name for name in lists.PROPENSITIES if name in present]))
    defaults = {"context": "MAP(VARCHAR, VARCHAR)", "latency_ms": "DOUBLE", "error": "BOOLEAN", "value": "DOUBLE",
                "event_id": TEXT}  # fmt: skip
    chosen += [f"{name if name in columns else 'NULL'}::{defaults[name]} AS {name}" for name in OPTIONAL[role]]
    return ", ".join(chosen)


def _item_fields(kind: str) -> dict[str, str]:
    """Field → type of a list of structs, such as ``STRUCT(item_id VARCHAR, rank INTEGER)[]``; empty for other types."""
    if not (kind.startswith("STRUCT(") and kind.endswith(")[]")):
        return {}
    listed: Any = duckdb.sqltype(kind)
    [(_, item)] = listed.children
    return {name: str(field) for name, field in item.children if str(field) != NOTHING}


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
