"""What is wrong with a line, in words: the slow pass, for bad lines only, that lists all faults of the line."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from recsys.contracts import schema as schemas
from recsys.contracts.types import ID_PATTERN, MAX_LINE_BYTES, TIMESTAMP_PATTERN

MAX_FAULTS_A_LINE = 50
SHOWN_LENGTH = 40


class Fault(Struct, frozen=True, kw_only=True):
    """One fault of one line. ``path`` is a JSON path; ``found`` never holds the value of a person's identifier."""

    file: str
    line: int
    byte_offset: int
    path: str
    rule: str
    found: str
    expected: str
    hint: str

    def __str__(self) -> str:
        told = f"{self.file}:{self.line}: {self.path}: {self.rule}: found {self.found}, expected {self.expected}"
        return f"{told}. {self.hint}" if self.hint else told


class Finding(Struct, frozen=True, kw_only=True):
    """A fault without its place in the file."""

    path: str
    rule: str
    found: str
    expected: str
    hint: str = ""


def findings(line: bytes, schema: str) -> list[Finding]:
    """All faults of ``line`` under ``schema`` (a record's name or a path to a JSON Schema); empty for a valid line."""
    if len(line) > MAX_LINE_BYTES:
        return [_too_long(len(line))]
    if not line.strip():
        return [Finding(path="$", rule="blank", found="a blank line", expected="one JSON object")]
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        found = f"byte 0x{line[error.start]:02x} at byte {error.start + 1} of the line"
        return [Finding(path="$", rule="encoding", found=found, expected="UTF-8", hint="Write the log as UTF-8.")]
    return _parsed(text, schema)


def _too_long(size: int) -> Finding:
    return Finding(
        path="$",
        rule="line-length",
        found=f"{size:,} bytes",
        expected=f"at most {MAX_LINE_BYTES:,} bytes",
        hint="One record a line: look for a missing newline.",
    )


def too_long_at_least(size: int) -> Finding:
    """The finding for a line that was not read to its end."""
    return _too_long(size)


def _parsed(text: str, schema: str) -> list[Finding]:
    if text.startswith("\ufeff"):
        hint = "Save the file as UTF-8 without a byte-order mark."
        return [Finding(path="$", rule="json", found="a byte-order mark", expected="a JSON object", hint=hint)]
    doubled: list[str] = []

    def pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in members]
        doubled.extend(sorted({key for key in keys if keys.count(key) > 1}))
        return dict(members)

    try:
        record = json.loads(text, object_pairs_hook=pairs, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return [_malformed(text, error)]
    found = [
        Finding(
            path=f"$..{_shorten(key)}",
            rule="duplicate-key",
            found=f"the key {_shorten(key)!r} more than once in one object",
            expected="each key once",
        )
        for key in doubled
    ]
    found += _schema_findings(record, schema) + _beyond_schema(record)
    return found[:MAX_FAULTS_A_LINE]


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _malformed(text: str, error: Exception) -> Finding:
    if isinstance(error, json.JSONDecodeError):
        at = f"{error.msg} at character {error.pos + 1}"
        hint = "The line is cut off." if error.pos >= len(text) - 1 else ""
    else:
        at, hint = str(error) or "nested too deeply", ""
    return Finding(path="$", rule="json", found=at, expected="one JSON object", hint=hint)


def _schema_findings(record: Any, schema: str) -> list[Finding]:
    try:
        errors = list(_validator(schema).iter_errors(record))
    except ValueError as error:  # a number that the schema library cannot hold
        return [Finding(path="$", rule="number", found=str(error), expected="numbers that fit int64 or double")]
    return [finding for error in errors for finding in _told(error)]


@cache
def _validator(schema: str) -> Any:
    import jsonschema_rs

    document = schemas.build(schema) if schema in schemas.TYPES else msgspec.json.decode(Path(schema).read_bytes())
    return jsonschema_rs.validator_for(document)


def _told(error: Any) -> list[Finding]:
    path = json_path(error.instance_path)
    kind = error.kind
    match kind.name:
        case "required":
            one = Finding(path=f"{path}.{kind.property}", rule="required", found="nothing", expected="this field")
            return [one]
        case "additionalProperties":
            known = _known_fields(error)
            return [
                Finding(
                    path=f"{path}.{_shorten(key)}",
                    rule="unknown-field",
                    found=f"the field {_shorten(key)!r}",
                    expected="a field of the contract",
                    hint=_nearest(key, known),
                )
                for key in kind.unexpected
            ]
        case "pattern":
            return [_pattern(path, error.instance, kind.pattern)]
        case "type":
            types = kind.types if hasattr(kind, "types") else [str(error.message).rsplit(" of type ", maxsplit=1)[-1]]
            expected = " or ".join(str(name).strip('"') for name in types)
            return [Finding(path=path, rule="type", found=describe(error.instance), expected=expected)]
        case "enum":
            options = ", ".join(str(option) for option in kind.options)
            return [Finding(path=path, rule="enum", found=describe(error.instance, show=True), expected=options)]
        case name:
            limit = getattr(kind, "limit", "")
            return [
                Finding(path=path, rule=str(name), found=describe(error.instance), expected=f"{name} {limit}".strip())
            ]


def _known_fields(error: Any) -> list[str]:
    return [str(key) for key in error.instance if key not in error.kind.unexpected]


def _nearest(key: str, known: list[str]) -> str:
    from recsys.errors import nearest

    hint = nearest(key, known)
    return hint if hint.startswith("Did") else "The contract is closed: put such values into context."


def _pattern(path: str, value: Any, pattern: str) -> Finding:
    if pattern == TIMESTAMP_PATTERN:
        expected = "RFC 3339 with an offset, years 1970–2200, at most 6 fractional digits, as 2026-02-05T10:00:00Z"
        naive = isinstance(value, str) and not re.search(r"([Zz]|[+-]\d\d:?\d\d)$", value)
        hint = "The time has no offset: add Z or +hh:mm." if naive else ""
        return Finding(path=path, rule="timestamp", found=_timestamp_words(value), expected=expected, hint=hint)
    if pattern == ID_PATTERN:
        expected = "1–512 characters, not blank, no control characters"
        return Finding(path=path, rule="identifier", found=describe(value), expected=expected)
    return Finding(path=path, rule="pattern", found=describe(value), expected=pattern)


def _timestamp_words(value: Any) -> str:
    # Something that looks like a time can be shown; anything else could be a person's identifier in the wrong field.
    if isinstance(value, str) and re.fullmatch(r"[0-9TtZz:+., /-]{1,40}", value):
        return repr(value)
    return describe(value)


def _beyond_schema(record: Any) -> list[Finding]:
    """What the contract refuses and JSON Schema cannot: 1.0 where an integer stands, and lone surrogates."""
    found = []
    for path, value in _leaves(record, "$"):
        if isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value):
            expected = "Unicode text"
            found.append(Finding(path=path, rule="surrogate", found="half of a surrogate pair", expected=expected))
        if isinstance(value, float) and path.endswith(".rank") and value.is_integer():
            found.append(Finding(path=path, rule="type", found=f"the number {value}", expected="integer"))
    return found


def _leaves(value: Any, path: str) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        keys = [(f"{path}.{_shorten(key)}", key) for key in value]
        return [leaf for below, member in value.items() for leaf in _leaves(member, f"{path}.{_shorten(below)}")] + keys
    if isinstance(value, list):
        return [leaf for index, member in enumerate(value) for leaf in _leaves(member, f"{path}[{index}]")]
    return [(path, value)]


def json_path(steps: list[str | int]) -> str:
    """``["items", 0, "rank"]`` → ``$.items[0].rank``."""
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{_shorten(step)}" for step in steps)


def describe(value: Any, *, show: bool = False) -> str:
    """A value by type and size; with ``show`` also itself, where no identifier can stand."""
    match value:
        case None:
            return "null"
        case bool():
            return f"the boolean {str(value).lower()}"
        case int() | float():
            return f"the number {value}"
        case str():
            return repr(_shorten(value)) if show else f"a string of {len(value)} characters"
        case list():
            return f"an array of {len(value)}"
        case _:
            return f"an object of {len(value)} fields"


def _shorten(text: str) -> str:
    safe = text.encode("utf-8", "replace").decode()
    return safe if len(safe) <= SHOWN_LENGTH else f"{safe[:SHOWN_LENGTH]}…"
