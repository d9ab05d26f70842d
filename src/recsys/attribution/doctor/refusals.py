"""The lines that validation refused, read again for what can still be known of them: when, from where, of what kind."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from recsys.attribution.doctor.case import Refused
from recsys.attribution.doctor.symptoms import Place
from recsys.attribution.sources import SCHEMAS, AcceptedDataset
from recsys.contracts.types import MAX_LINE_BYTES
from recsys.eventlog.faults import findings

MOST = 100_000
"""So many lines of each log are looked at,"""
MOST_BYTES = 64 << 20
"""of so many bytes in all; all are counted."""
KEPT_FIELDS = ("request_id", "event_type", "ts")
"""What is kept of a record, with the context values that the case is broken down by,"""
KEPT_CHARACTERS = 512
"""and as much of each, which no valid one exceeds."""
_PATH_CHARACTERS = 200


def refusals(accepted: AcceptedDataset, keys: Sequence[str]) -> list[Refused]:
    """What is known of the refused lines of each log that are looked at, in the order of the files. ``keys``: of the
    context, to keep the values of."""
    found: list[Refused] = []
    known: dict[Any, Any] = {}  # most lines break the same rules and say the same few words
    for role, schema in SCHEMAS.items():
        for place, line in lines(accepted, role):
            broken = tuple((each.rule, each.path[:_PATH_CHARACTERS]) for each in findings(line, schema))
            record = parsed(line)
            kept = None if record is None else _kept(record, keys, known)
            found.append(Refused(role=role, place=place, broken=known.setdefault(broken, broken), record=kept))
    return found


def lines(accepted: AcceptedDataset, role: str) -> Iterator[tuple[Place, bytes]]:
    """The refused lines of a log that are looked at, in the order of the files; of a line that is longer than one may
    be, its beginning."""
    count, size = 0, 0
    for file in accepted.refused.get(role, []):
        with file.plain.open("rb") as content:
            for bad in file.bad:
                count, size = count + 1, size + min(bad.length, MAX_LINE_BYTES)
                if count > MOST or size > MOST_BYTES:
                    return
                content.seek(bad.offset)
                yield Place(file.file, bad.line), content.read(min(bad.length, MAX_LINE_BYTES))


def parsed(line: bytes) -> Mapping[str, Any] | None:
    """What can be known of a line that validation refused; None where it is no JSON object."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _kept(record: Mapping[str, Any], keys: Sequence[str], known: dict[Any, Any]) -> Mapping[str, Any]:
    kept = {name: _short(record[name], known) for name in KEPT_FIELDS if name in record}
    context = record.get("context")
    if isinstance(context, dict):
        kept["context"] = {key: _short(context[key], known) for key in keys if key in context}
    return kept


def _short(value: Any, known: dict[Any, Any]) -> Any:
    """A value as far as it is kept: the beginning of a text; of a list or an object nothing but what it is."""
    if isinstance(value, str):
        text = value[:KEPT_CHARACTERS]
        return known.setdefault(text, text)
    return type(value)() if isinstance(value, list | dict) else value
