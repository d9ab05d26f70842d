"""Which columns of PostgreSQL make valid lines: looked at before a row is read, so that one error tells of all rows."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from recsys.attribution.columns import check_names
from recsys.errors import InputError

NUMBERS = frozenset({"int2", "int4", "int8", "float4", "float8", "numeric"})
STRINGS = "SE"
"""The categories of text and of enumerations, in the server's letters."""


class Column(Struct, frozen=True):
    """A column of a query: the server's own name of its type, the type's category, and how SQL spells it."""

    name: str
    type: str
    category: str
    spelt: str


def check(columns: Sequence[Column], role: str, where: str) -> None:
    """InputError for the first column that a log of ``role`` does not have, or that has another type there."""
    check_names([column.name for column in columns], role, where)
    for column in columns:
        expected, hint = _wanted(column)
        if expected:
            problem = f"the column {column.name} has another type"
            raise InputError(problem, where=where, found=column.spelt, expected=expected, hint=hint)


def _wanted(column: Column) -> tuple[str, str]:
    """What the column should be and how to make it so; nothing where it is."""
    is_text = column.category in STRINGS
    match column.name:
        case "ts":
            hint = "" if column.type != "timestamp" else "If it is in UTC, write ts AT TIME ZONE 'UTC' AS ts."
            return ("", "") if column.type == "timestamptz" or is_text else ("timestamp with time zone", hint)
        case "items" | "context":
            hint = "For hstore: hstore_to_jsonb(context)." if column.type == "hstore" else ""
            return ("", "") if column.type in {"json", "jsonb"} else ("jsonb", hint)
        case "value" | "latency_ms":
            return ("", "") if column.type in NUMBERS else ("a number", "")
        case "error":
            return ("", "") if column.type == "bool" else ("boolean", "")
        case name:
            ok = is_text or column.type == "uuid"
            return ("", "") if ok else ("text", f"Write {name}::text AS {name}.")
