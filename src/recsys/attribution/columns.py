"""The columns that a log may have as a table: those of the record, by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from recsys.errors import InputError, nearest

Role = Literal["exposures", "outcomes", "assignments"]
REQUIRED: dict[str, tuple[str, ...]] = {
    "exposures": ("request_id", "user_id", "ts", "items"),
    "outcomes": ("request_id", "user_id", "item_id", "event_type", "ts"),
    "assignments": ("experiment_id", "variant", "request_id", "user_id", "ts"),
}
OPTIONAL: dict[str, tuple[str, ...]] = {
    "exposures": ("context", "latency_ms", "error"),
    "outcomes": ("value", "event_id", "context"),
    "assignments": ("context",),
}


def quoted(column: str) -> str:
    """A column's name as SQL."""
    return '"' + column.replace('"', '""') + '"'


def check_names(columns: Sequence[str], role: str, where: str) -> None:
    """InputError where a column of the log is missing, or one is not of the log, or is there twice."""
    known = (*REQUIRED[role], *OPTIONAL[role])
    for name in REQUIRED[role]:
        if name not in columns:
            hint = f"A log of {role} has the columns {', '.join(REQUIRED[role])}."
            found = ", ".join(columns) or "none"
            raise InputError("a column is missing", where=where, expected=name, found=found, hint=hint)
    for name in columns:
        if name not in known:
            hint = nearest(name, known)
            raise InputError("unknown column", where=where, found=name, expected=", ".join(known), hint=hint)
        if columns.count(name) > 1:
            raise InputError("a column is there twice", where=where, found=name, expected="each column once")
