"""Whether lines are valid, fast: the first pass, which all lines take.

A block of lines is decoded in C. What the decoder does not see — the exact form of a timestamp, blank or control
characters in identifiers, a key given twice — is checked for the block as a whole where that is possible: a block of
pure ASCII without escapes has no control character, its timestamps match one pattern joined, and its colons add up
only when no key was given twice. A block that fails one of these is looked at line by line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime
from functools import cache
from itertools import chain
from operator import attrgetter
from typing import Any, get_args, get_origin

import msgspec
from msgspec import UNSET, Struct

from recsys.contracts.events import RECORDS
from recsys.contracts.types import ID_PATTERN, MAX_LINE_BYTES, TIMESTAMP_PATTERN
from recsys.eventlog.faults import findings

_ONE_TIMESTAMP = re.sub(r"[(](?![?])", "(?:", TIMESTAMP_PATTERN.removeprefix("^").removesuffix("$"))
_TIMESTAMP = re.compile(_ONE_TIMESTAMP)
_TIMESTAMPS = re.compile(f"(?:{_ONE_TIMESTAMP}\n)*+")
_ID = re.compile(ID_PATTERN.removesuffix("$") + r"\Z")
_BLANK_OR_SPACED_KEY = re.compile(rb'" +[":]')
_SPACED_KEY = re.compile(rb'"[ \t\r]+:')

Checker = Callable[[bytes], list[int]]
"""From a block of whole lines, without its last newline, to the positions of the bad lines."""


def checker(schema: str) -> Checker:
    """The check for a record's name, or for the path of a JSON Schema."""
    if schema not in RECORDS:
        return lambda block: [place for place, line in enumerate(block.split(b"\n")) if findings(line, schema)]
    return record_checker(schema)


@cache
def record_checker(schema: str) -> RecordChecker:
    """The check for a record's name."""
    return RecordChecker(RECORDS[schema])


class RecordChecker:
    """The check of one record type. It keeps nothing of what it has seen."""

    def __init__(self, record: type[Struct]) -> None:
        shape = _with_plain_timestamps(record)
        self.decode = msgspec.json.Decoder(shape).decode
        self._encode = msgspec.json.Encoder().encode
        fields = record.__struct_fields__
        self._ts = attrgetter("ts" if "ts" in fields else "timestamp")
        self._ids = [name for name in fields if name.endswith("_id") and name != "tenant_id"] + (
            ["variant"] if "variant" in fields else []
        )
        self._keys = _Keys(shape)
        self._structured = record.__name__ == "ServiceExposure"
        self._items = record.__name__ in {"Exposure", "ServiceExposure"}
        self._rank_list = record.__name__ == "RankList"

    def __call__(self, block: bytes) -> list[int]:
        """The positions of the bad lines of a block."""
        lines = block.split(b"\n")
        return self.bad(lines) if self.sound(block, lines) is None else []

    def sound(self, block: bytes, lines: list[bytes]) -> list[Any] | None:
        """The records of the ``lines`` of a block, with their timestamps as text, where the block as a whole tells that
        all of them are valid. They may be so all the same where it does not."""
        try:
            records = list(map(self.decode, lines))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None  # the lines tell which
        return records if self._block_is_valid(block, records) else None

    def bad(self, lines: list[bytes]) -> list[int]:
        """The positions of the bad lines, looked at one by one."""
        return [place for place, line in enumerate(lines) if not self.is_valid(line)]

    def _block_is_valid(self, block: bytes, records: list[Any]) -> bool:
        if not block.isascii() or b"\\" in block or b"\x7f" in block or len(block) > MAX_LINE_BYTES:
            return False
        if b" " in block and _BLANK_OR_SPACED_KEY.search(block):
            return False
        times = "\n".join(map(self._ts, records)) + "\n"
        if not _TIMESTAMPS.fullmatch(times):
            return False
        colons = block.count(b":") - times.count(":")
        keys = self._keys.count(records)
        if colons != keys and b"propensity" in block:  # rare, so the keys are counted without them first
            keys = sum(self._encode(record).count(b'":') for record in records)
        if colons == keys:
            return True
        # There are colons in values: count those behind a quote, if no key has white space between.
        if (b"\t" in block or b"\r" in block) and _SPACED_KEY.search(block):
            return False
        return block.count(b'":') == keys

    def is_valid(self, line: bytes) -> bool:
        """Whether this one line is valid."""
        if len(line) > MAX_LINE_BYTES:
            return False
        try:
            record = self.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return False
        if not _TIMESTAMP.fullmatch(self._ts(record)):
            return False
        return all(map(_ID.match, self._all_ids(record))) and not _has_duplicate_keys(line)

    def _all_ids(self, record: Any) -> list[str]:
        values = [getattr(record, name) for name in self._ids]
        if self._items:
            values += [item.item_id for item in record.items]
        if self._rank_list:
            values += record.items
        if self._structured:
            values += _service_ids(record)
        return [value for value in values if value is not UNSET]


class _Keys:
    """How many keys decoded records have, themselves and inside, propensities left out; never more than the text."""

    def __init__(self, shape: type[Struct]) -> None:
        fields = msgspec.structs.fields(shape)
        self._required = sum(field.required for field in fields)
        self._optional = [attrgetter(field.name) for field in fields if not field.required]
        kinds = [(field, *get_args(field.type)[:1]) for field in fields if get_args(field.type)]
        self._objects = [attrgetter(f.name) for f, kind in kinds if get_origin(kind) is dict]
        self._nested = [(attrgetter(f.name), _Keys(kind)) for f, kind in kinds if _is_record(kind) and not f.required]
        self._lists = [
            (attrgetter(f.name), sum(field.required for field in msgspec.structs.fields(kind)))
            for f, kind in kinds
            if _is_record(kind) and f.required
        ]

    def count(self, records: list[Any]) -> int:
        keys = self._required * len(records)
        for optional in self._optional:
            values = list(map(optional, records))
            keys += len(values) - values.count(UNSET)
        for values in self._objects:
            keys += sum(map(len, filter(None, map(values, records))))  # UNSET is false
        for values, inner in self._nested:
            keys += inner.count([value for value in map(values, records) if value is not UNSET])
        for values, required in self._lists:
            keys += required * sum(map(len, map(values, records)))
        return keys


def _is_record(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def _service_ids(record: Any) -> list[Any]:
    parts = []
    if record.experiment is not UNSET:
        parts += [record.experiment.id, record.experiment.variant]
    if record.subject is not UNSET:
        parts += [getattr(record.subject, name) for name in record.subject.__struct_fields__]
    return parts


def _has_duplicate_keys(line: bytes) -> bool:
    doubled = False

    def pairs(members: list[tuple[str, Any]]) -> None:
        nonlocal doubled
        doubled = doubled or len({key for key, _ in members}) != len(members)

    json.loads(line, object_pairs_hook=pairs)
    return doubled


def _with_plain_timestamps(record: type[Struct]) -> type[Struct]:
    """The same record with timestamps as text, so that their form can be checked."""
    fields = []
    for field in msgspec.structs.fields(record):
        kind = str if _is_timestamp(field.type) else field.type
        fields.append((field.name, kind) if field.required else (field.name, kind, field.default))
    return msgspec.defstruct(
        record.__name__, fields, forbid_unknown_fields=True, kw_only=True, frozen=True, omit_defaults=True, gc=False
    )


def _is_timestamp(kind: Any) -> bool:
    return kind is datetime or (get_origin(kind) is not None and datetime in chain([kind], get_args(kind)))


def recognise(line: bytes) -> str | None:
    """Which record ``line`` looks like, by the keys that only it has; None where it looks like none."""
    try:
        keys = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    if "schema_version" in keys and "tenant_id" in keys:
        return "service_v1"
    if "event_type" in keys:
        return "outcome.v1"
    if "experiment_id" in keys and "variant" in keys:
        return "assignment.v1"
    if "items" in keys:
        items = bytes(keys["items"]).lstrip(b"[ \t")
        return "ranklist.v1" if items.startswith(b'"') else "exposure.v1"
    return None
