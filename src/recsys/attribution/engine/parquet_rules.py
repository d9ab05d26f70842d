"""When a row of a Parquet log is valid: what its types must be, and the rules that types do not hold, in SQL."""

from __future__ import annotations

from typing import Any

import duckdb

from recsys.attribution.columns import OPTIONAL, REQUIRED, check_names
from recsys.attribution.engine import lists
from recsys.contracts.types import CONTROL_CHARACTERS, FIRST_YEAR, LAST_YEAR, MAX_ID_LENGTH, MAX_RANK, TIMESTAMP_PATTERN
from recsys.errors import InputError

TEXT = "VARCHAR"
INSTANT = "TIMESTAMP WITH TIME ZONE"
FINE_INSTANT = "TIMESTAMPTZ_NS"
NOTHING = '"NULL"'
"""The type of a column that its writer never gave a value."""
NUMBERS = frozenset(
    {"DOUBLE", "FLOAT", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
)
ITEM_FIELDS = ("item_id", "rank", "propensity", "logging_propensity", "target_propensity", "score")
"""``score``, what the service ranked by, is told by a trace; no figure depends on it."""
NUMBER_FIELDS = ITEM_FIELDS[2:]
PROPENSITIES = ITEM_FIELDS[2:-1]
_BLANK = r"^[\s\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}]*$"
_CONTROL = CONTROL_CHARACTERS.replace(r"\u00", r"\x")


def checked(columns: dict[str, str], role: str, where: str) -> dict[str, str]:
    """The columns of a file by type, without optional ones that have none. InputError where they are not those of a log
    of ``role``."""
    typed = {name: kind for name, kind in columns.items() if not (kind == NOTHING and name in OPTIONAL[role])}
    check_names(list(typed), role, where)
    for name, kind in typed.items():
        _check_type(where, name, kind)
    return typed


def _check_type(where: str, name: str, kind: str) -> None:
    def refuse(expected: str, hint: str = "") -> None:
        problem = f"the column {name} has another type"
        raise InputError(problem, where=where, found=kind[:200], expected=expected, hint=hint)

    if name == "ts" and kind not in {TEXT, INSTANT, FINE_INSTANT}:
        hint = "If it is in UTC, say so in SQL: ts AT TIME ZONE 'UTC'." if kind.startswith("TIMESTAMP") else ""
        refuse("a timestamp with time zone (UTC-adjusted), or RFC 3339 text", hint)
    elif name in {"latency_ms", "value"} and not _is_number(kind):
        refuse("a number")
    elif name == "error" and kind != "BOOLEAN":
        refuse("BOOLEAN")
    elif name == "context" and kind != "MAP(VARCHAR, VARCHAR)":
        hint = "" if "[]" in kind else "In DuckDB: context::MAP(VARCHAR, VARCHAR)."
        refuse("MAP(VARCHAR, VARCHAR)", hint)
    elif name == "items" and not _is_item_list(kind):
        hint = "In DuckDB: items::STRUCT(item_id VARCHAR, rank INTEGER)[]." if kind == "JSON" else ""
        refuse(f"a list of STRUCT({', '.join(ITEM_FIELDS)})", hint)
    elif name not in {"ts", "latency_ms", "value", "error", "context", "items"} and kind != TEXT:
        refuse("text", f"In DuckDB: {name}::VARCHAR.")


def _is_number(kind: str) -> bool:
    return kind in NUMBERS or kind.startswith("DECIMAL(")


def _is_item_list(kind: str) -> bool:
    fields = item_fields(kind)
    if set(fields) - set(ITEM_FIELDS) or fields.get("item_id") != TEXT:
        return False
    return fields.get("rank") in NUMBERS - {"DOUBLE", "FLOAT"} and all(
        _is_number(fields[name]) for name in NUMBER_FIELDS if name in fields
    )


def text(value: str) -> str:
    """``value`` as an SQL string."""
    return "'" + value.replace("'", "''") + "'"


def fault(columns: dict[str, str], role: str, *, items: bool = True) -> str:
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
    whens = " ".join(f"WHEN {condition} THEN {text(told)}" for condition, told in cases)
    return f"CASE {whens} END"


def _bad_id(name: str) -> tuple[str, str]:
    return bad_text(name), f"{name}: 1 to {MAX_ID_LENGTH} characters, not blank, no control characters"


def bad_text(value: str) -> str:
    """True for NULL and for text that cannot be an identifier. Plain printable ASCII is seen by one cheap pattern."""
    return (
        f"CASE WHEN regexp_full_match({value}, '[!-~]{{1,{MAX_ID_LENGTH}}}') THEN FALSE "
        f"ELSE {value} IS NULL OR length({value}) > {MAX_ID_LENGTH} OR regexp_matches({value}, '[{_CONTROL}]') "
        f"OR regexp_matches({value}, '{_BLANK}') END"
    )


def _bad_instant(kind: str) -> tuple[str, str]:
    told = f"ts: an instant of the years {FIRST_YEAR} to {LAST_YEAR}, with its offset"
    if kind == TEXT:
        return f"ts IS NULL OR NOT regexp_full_match(ts, {text(TIMESTAMP_PATTERN)})", told
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
    one_by_one = f"list_contains(list_transform({ids}, lambda i: {bad_text('i')}), true)"
    bad = f"CASE WHEN {plain} THEN FALSE ELSE {one_by_one} END"
    out_of_range = f"list_min({ranks}) < 1 OR list_max({ranks}) > {MAX_RANK}"
    cases = [
        ("items IS NULL", told),
        (f"len(items) > 0 AND (list_count({ranks}) < len(items) OR {out_of_range})", told),
        (bad, told),
    ]  # fmt: skip
    for name in PROPENSITIES:
        if name in item_fields(kind):
            values = f"list_transform(items, lambda x: x.{name}::DOUBLE)"
            cases.append((f"NOT (coalesce(list_min({values}), 0) >= 0 AND coalesce(list_max({values}), 1) <= 1)",
                          f"items: {name} in [0, 1]"))  # fmt: skip
    if "score" in item_fields(kind):
        scores = "list_transform(items, lambda x: x.score::DOUBLE)"
        cases.append((f"NOT (isfinite(list_min({scores})) AND isfinite(list_max({scores})))",
                      "items: score a finite number"))  # fmt: skip
    return cases


def typed(columns: dict[str, str], role: str) -> str:
    """The select list that gives a Parquet log the columns of a JSONL log."""
    instant = f"CAST({'upper(ts)' if columns['ts'] == TEXT else 'ts'} AS {INSTANT})"
    chosen = [f"epoch_us({instant}) AS ts_us"]
    chosen += [name for name in REQUIRED[role] if name not in {"ts", "items"}]
    if role == "exposures":
        present = item_fields(columns["items"])
        chosen.append(lists.item_columns([name for name in lists.PROPENSITIES if name in present]))
    defaults = {"context": "MAP(VARCHAR, VARCHAR)", "latency_ms": "DOUBLE", "error": "BOOLEAN", "value": "DOUBLE",
                "event_id": TEXT}  # fmt: skip
    chosen += [f"{name if name in columns else 'NULL'}::{defaults[name]} AS {name}" for name in OPTIONAL[role]]
    return ", ".join(chosen)


def with_propensities(columns: dict[str, str]) -> str:
    """The select list of ``request_id``, ``ts_us`` and ``items``, of whose items only all the propensities are left."""
    instant = f"CAST({'upper(ts)' if columns['ts'] == TEXT else 'ts'} AS {INSTANT})"
    present = item_fields(columns["items"])
    fields = ", ".join(f"{name} := {f'x.{name}' if name in present else 'NULL'}::DOUBLE" for name in PROPENSITIES)
    return f"request_id, epoch_us({instant}) AS ts_us, list_transform(items, lambda x: struct_pack({fields})) AS items"


def with_item_propensities(columns: dict[str, str]) -> str:
    """The select list of ``request_id``, ``kind``, and ``items`` with one propensity each."""
    present = item_fields(columns["items"])
    items = lists.with_propensity([name for name in lists.PROPENSITIES if name in present])
    kind = f"context['{lists.KIND}']" if "context" in columns else "NULL::VARCHAR"
    return f"request_id, {kind} AS kind, {items}"


def item_fields(kind: str) -> dict[str, str]:
    """Field → type of a list of structs, such as ``STRUCT(item_id VARCHAR, rank INTEGER)[]``; empty for other types."""
    if not (kind.startswith("STRUCT(") and kind.endswith(")[]")):
        return {}
    listed: Any = duckdb.sqltype(kind)
    [(_, item)] = listed.children
    return {name: str(field) for name, field in item.children if str(field) != NOTHING}
