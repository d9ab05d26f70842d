"""What is wrong with a line, in words: the slow pass, for bad lines only, that lists all faults of the line."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from recsys.contracts import schema as schemas
from recsys.contracts.types import ID_PATTERN, MAX_LINE_BYTES, TIMESTAMP_PATTERN
from recsys.errors import InputError, nearest

MAX_FAULTS_A_LINE = 50
MAX_DIGITS = 4000  # Python refuses to convert longer integers from text
SHOWN_DIGITS = 25

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}")
_HALF_PAIR = re.compile("[\ud800-\udfff]")
_DOTTED_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,39}")


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
        return [too_long(len(line))]
    if not line.strip():
        return [Finding(path="$", rule="blank", found="a blank line", expected="one JSON object")]
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        found = f"byte 0x{line[error.start]:02x} at byte {error.start + 1} of the line"
        return [Finding(path="$", rule="encoding", found=found, expected="UTF-8", hint="Write the log as UTF-8.")]
    return _parsed(text, schema)


def too_long(size: int) -> Finding:
    """The finding for a line of ``size`` bytes, more than a line may have."""
    return Finding(
        path="$",
        rule="line-length",
        found=f"{size:,} bytes",
        expected=f"at most {MAX_LINE_BYTES:,} bytes",
        hint="One record a line: look for a missing newline.",
    )


def _parsed(text: str, schema: str) -> list[Finding]:
    if text.startswith("\ufeff"):
        hint = "Save the file as UTF-8 without a byte-order mark."
        return [Finding(path="$", rule="json", found="a byte-order mark", expected="a JSON object", hint=hint)]
    doubled: list[tuple[dict[str, Any], str]] = []

    def pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in members]
        made = dict(members)
        doubled.extend((made, key) for key in made if keys.count(key) > 1)
        return made

    try:
        record = json.loads(text, object_pairs_hook=pairs, parse_constant=_no_constant, parse_int=_whole_number)
        return _record_findings(record, doubled, schema)[:MAX_FAULTS_A_LINE]
    except (json.JSONDecodeError, _NotJsonError, RecursionError) as error:
        return [_malformed(text, error)]


def _record_findings(record: Any, doubled: list[tuple[dict[str, Any], str]], schema: str) -> list[Finding]:
    found = [
        Finding(
            path=_member(path, key),
            rule="duplicate-key",
            found="this key more than once in one object",
            expected="each key once",
        )
        for path, part in (_objects(record) if doubled else ())
        for owner, key in doubled
        if owner is part
    ]
    beyond = _beyond_schema(record)
    if any(finding.rule == "surrogate" for finding in beyond):  # the schema library takes Unicode only
        record = json.loads(json.dumps(record, ensure_ascii=False).encode("utf-8", "replace"))
    told = {finding.path for finding in beyond}
    return found + [finding for finding in _schema_findings(record, schema) if finding.path not in told] + beyond


def _objects(value: Any, path: str = "$") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object inside ``value`` with its path."""
    if isinstance(value, dict):
        yield path, value
        for key, below in value.items():
            yield from _objects(below, _member(path, key))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from _objects(below, f"{path}[{index}]")


class _NotJsonError(Exception):
    pass


def _no_constant(name: str) -> float:
    raise _NotJsonError(f"{name} is not JSON")


def _whole_number(digits: str) -> int | float:
    return int(digits) if len(digits) < MAX_DIGITS else float(digits)


def _malformed(text: str, error: Exception) -> Finding:
    hint = ""
    if isinstance(error, json.JSONDecodeError):
        at = f"{error.msg.removesuffix(' at')} at character {error.pos + 1}"
        ended = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
        hint = "The line is cut off." if ended and error.msg != "Extra data" else ""
        if "\0" in text:
            hint = "The line holds NUL bytes: it was being written when the machine stopped or the disk was full."
    else:
        at = "nested too deeply" if isinstance(error, RecursionError) else str(error)
    return Finding(path="$", rule="json", found=at, expected="one JSON object", hint=hint)


def _schema_findings(record: Any, schema: str) -> list[Finding]:
    validator, document = compiled(schema)
    try:
        errors = list(validator.iter_errors(record))
    except ValueError:  # nesting or a number that the schema library cannot hold
        found = "values nested too deeply, or a number that is too large"
        return [Finding(path="$", rule="json", found=found, expected="one record")]
    return [finding for error in errors for finding in _told(error, document)]


@cache
def compiled(schema: str) -> tuple[Any, Any]:
    """The validator of a record's name or of the path of a JSON Schema, and the schema; InputError for a bad schema."""
    import jsonschema_rs

    if schema in schemas.TYPES:
        return jsonschema_rs.validator_for(document := schemas.build(schema)), document
    try:
        document = msgspec.json.decode(Path(schema).read_bytes())
        return jsonschema_rs.validator_for(document, retriever=_no_reference), document
    except OSError as error:
        raise InputError("cannot be read", where=schema, found=error.strerror or str(error)) from None
    except ValueError as error:  # of either library
        found = str(error).partition("\n")[0]
        raise InputError("not a JSON Schema that can be used", where=schema, found=found) from None


def _no_reference(uri: str) -> Any:
    raise ValueError(f"{uri} stands outside of the file")


def _told(error: Any, document: Any) -> list[Finding]:
    path = json_path(error.instance_path)
    kind = error.kind
    match kind.name:
        case "required":
            missing = _member(path, kind.property)
            return [Finding(path=missing, rule="required", found="nothing", expected="this field")]
        case "additionalProperties":
            known = _known_fields(error, document)
            return [
                Finding(
                    path=_member(path, key),
                    rule="unknown-field",
                    found=f"the field {_name(key)}",
                    expected="a field of the contract",
                    hint=_nearest(key, known, path),
                )
                for key in kind.unexpected
            ]
        case "pattern":
            return [_pattern(path, error.instance, kind.pattern)]
        case "type":
            types = kind.types if hasattr(kind, "types") else [str(error.message).rsplit(" of type ", maxsplit=1)[-1]]
            names = [str(name).strip('"') for name in types]
            found = describe(error.instance, show_number=bool({"number", "integer"} & set(names)))
            return [Finding(path=path, rule="type", found=found, expected=" or ".join(names))]
        case "enum":
            options = ", ".join(str(option) for option in kind.options)
            return [Finding(path=path, rule="enum", found=_word(error.instance), expected=options)]
        case name:
            limit = getattr(kind, "limit", "")
            found = describe(error.instance, show_number=True)
            return [Finding(path=path, rule=str(name), found=found, expected=f"{name} {limit}".strip())]


def _known_fields(error: Any, document: Any) -> list[str]:
    """The fields that the object may have but has not: what a misspelt name may have meant."""
    place = document
    try:
        for step in error.schema_path[:-1]:
            place = place[step]
        return [key for key in place["properties"] if key not in error.instance]
    except (KeyError, IndexError, TypeError):  # a schema of the user's, built in another way
        return []


def _nearest(key: str, known: list[str], path: str) -> str:
    hint = nearest(key, known)
    if hint.startswith("Did"):
        return hint
    return "The contract is closed" + (": put such values into context." if path != "$.context" else ".")


def _pattern(path: str, value: Any, pattern: str) -> Finding:
    if pattern == TIMESTAMP_PATTERN:
        expected = "RFC 3339 with an offset, years 1970–2200, at most 6 fractional digits, as 2026-02-05T10:00:00Z"
        naive = isinstance(value, str) and not re.search(r"([Zz]|[+-]\d\d:?\d\d)$", value)
        hint = "The time has no offset: add Z or +hh:mm." if naive and _looks_like_time(value) else ""
        found = repr(value) if _looks_like_time(value) else describe(value)
        return Finding(path=path, rule="timestamp", found=found, expected=expected, hint=hint)
    if pattern == ID_PATTERN:
        expected = "1–512 characters, not blank, no control characters"
        return Finding(path=path, rule="identifier", found=describe(value), expected=expected)
    return Finding(path=path, rule="pattern", found=describe(value), expected=pattern)


def _looks_like_time(value: Any) -> bool:
    """Whether it can be shown: anything else could be a person's identifier in the wrong field."""
    return isinstance(value, str) and bool(re.fullmatch(r"\d{4}[-/.]\d\d?[-/.]\d\d?[0-9TtZz:+. -]{0,30}", value))


def _word(value: Any) -> str:
    """A value where one of a few words is expected: shown when it is a plain word."""
    return repr(value) if isinstance(value, str) and re.fullmatch(r"[A-Za-z_-]{1,20}", value) else describe(value)


def _beyond_schema(record: Any) -> list[Finding]:
    """What JSON Schema cannot refuse, or not by name: 1.0 for an integer, lone surrogates, numbers beyond a double."""
    found = []
    for path, value in _leaves(record, "$"):
        if isinstance(value, str) and _HALF_PAIR.search(value):
            expected = "Unicode text"
            found.append(Finding(path=path, rule="surrogate", found="half of a surrogate pair", expected=expected))
        if isinstance(value, float) and math.isinf(value):
            expected = "a number that fits int64 or double"
            found.append(Finding(path=path, rule="number", found="a number that is too large", expected=expected))
        elif isinstance(value, float) and path.endswith(".rank") and value.is_integer():
            found.append(Finding(path=path, rule="type", found=f"the number {value}", expected="integer"))
    return found


def _leaves(value: Any, path: str) -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        keys = [(_member(path, key), key) for key in value]
        return [leaf for key, below in value.items() for leaf in _leaves(below, _member(path, key))] + keys
    if isinstance(value, list):
        return [leaf for index, member in enumerate(value) for leaf in _leaves(member, f"{path}[{index}]")]
    return [(path, value)]


def json_path(steps: list[str | int]) -> str:
    """``["items", 0, "rank"]`` → ``$.items[0].rank``; a key that is no plain name is told by its length."""
    path = "$"
    for step in steps:
        path = f"{path}[{step}]" if isinstance(step, int) else _member(path, step)
    return path


def _member(path: str, key: str) -> str:
    return f"{path}.{key}" if _PLAIN_NAME.fullmatch(key) else f"{path}[{_name(key)}]"


def _name(key: str) -> str:
    """A key as it can be shown: what looks like no field name could be a person's identifier in the wrong place."""
    return repr(key) if _PLAIN_NAME.fullmatch(key) or _DOTTED_NAME.fullmatch(key) else f"({len(key)} characters)"


def describe(value: Any, *, show_number: bool = False) -> str:
    """A value by type and size; with ``show_number`` a number itself, where no identifier is expected."""
    match value:
        case None:
            return "null"
        case bool():
            return f"the boolean {str(value).lower()}"
        case int() | float():
            return f"the number {_digits(value)}" if show_number else "a number"
        case str():
            return f"a string of {len(value)} characters"
        case list():
            return f"an array of {len(value)}"
        case _:
            return f"an object of {len(value)} fields"


def _digits(value: float) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_DIGITS else f"{text[:SHOWN_DIGITS]}… ({len(text)} digits)"
