"""Which lines are asked for, told by a look at the few fields that say so; and what a line that is taken holds."""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache
from typing import Any

import msgspec
from msgspec import Struct

from recsys.attribution.trace.rows import Ask, Record, Role, Row, micros
from recsys.contracts.events import Assignment, Exposure, Outcome, ServiceExposure
from recsys.contracts.types import MAX_LINE_BYTES
from recsys.eventlog.checks import RecordChecker
from recsys.eventlog.convert import to_exposure_v1
from recsys.eventlog.faults import findings
from recsys.eventlog.mixed import looks_like

RECORDS: dict[Role, type[Record]] = {"exposures": Exposure, "outcomes": Outcome, "assignments": Assignment}
SCHEMAS: dict[Role, str] = {"exposures": "exposure.v1", "outcomes": "outcome.v1", "assignments": "assignment.v1"}
_HASHES = ("user_id_hash", "anonymous_id_hash", "session_id_hash")


class _Head(Struct, frozen=True, gc=False):
    """The fields that a question can be about, in either spelling of an exposure; of any type, for the line may be
    wrong."""

    request_id: Any = None
    user_id: Any = None
    event_id: Any = None
    ts: Any = None
    timestamp: Any = None
    subject: Any = None


_head = msgspec.json.Decoder(_Head).decode


def asked_for(line: bytes, role: Role, ask: Ask) -> bool | None:
    """Whether the line, valid or not, is one of those that are asked for; None where it cannot be read at all."""
    try:
        head = _head(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    user, ts = head.user_id, head.ts
    if role == "exposures" and head.timestamp is not None:
        user, ts = _subject(head), head.timestamp
    return ask.takes(head.request_id, user, head.event_id, _instant(ts) if user in ask.users else None)


def _subject(head: _Head) -> Any:
    hashes = head.subject if isinstance(head.subject, dict) else {}
    return next((hashes[name] for name in _HASHES if isinstance(hashes.get(name), str)), head.request_id)


def _instant(text: Any) -> int | None:
    try:
        return micros(datetime.fromisoformat(text.upper()))
    except (AttributeError, TypeError, ValueError):  # no text, no offset, no time
        return None


def instant_of(line: bytes) -> int | None:
    """The instant that a line names, in microseconds since 1970; None where it names none."""
    try:
        head = _head(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return _instant(head.ts if head.timestamp is None else head.timestamp)


def request_of(line: bytes) -> str | None:
    """The request_id of a line, valid or not; None where it has none."""
    try:
        named = _head(line).request_id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return named if isinstance(named, str) else None


def names_request(line: bytes, ask: Ask) -> bool:
    """Whether one of the requests stands in a line that is not valid: as its request_id, as far as it can be read, else
    as any text in it."""
    text = line.decode(errors="replace")
    if re.search(_key_pattern(tuple(sorted(ask.requests))), text):
        return True
    try:
        document = msgspec.json.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return any(f'"{request}"' in text for request in ask.requests)
    named = document.get("request_id") if isinstance(document, dict) else None
    if isinstance(named, str):
        return named in ask.requests
    return any(leaf in ask.requests for leaf in _texts(document))


@cache
def _key_pattern(requests: tuple[str, ...]) -> str:
    """``"request_id": "…"``, or the number in place of the text."""
    spelt = "|".join(re.escape(request) for request in requests)
    return rf'"request_id"\s*:\s*(?:"(?:{spelt})"|(?:{spelt})(?=[\s,}}]))'


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for member in value.values() for text in _texts(member)]
    if isinstance(value, list):
        return [text for member in value for text in _texts(member)]
    return [value] if isinstance(value, str) else []


@cache
def _checker(record: type[Struct]) -> RecordChecker:
    return RecordChecker(record)


def is_valid(line: bytes, role: Role) -> bool:
    """Whether a line is valid in its log: of exposures, in either format."""
    if _checker(RECORDS[role]).is_valid(line):
        return True
    return role == "exposures" and _checker(ServiceExposure).is_valid(line)


def row(line: bytes, role: Role, file: str, offset: int) -> Row:
    """The line as a row: its record where it is valid, else what is wrong with it."""
    if _checker(RECORDS[role]).is_valid(line):
        return Row(role=role, file=file, offset=offset, record=msgspec.json.decode(line, type=RECORDS[role]))
    if role == "exposures" and _checker(ServiceExposure).is_valid(line):
        service = msgspec.json.decode(line, type=ServiceExposure)
        return Row(
            role=role, file=file, offset=offset, record=to_exposure_v1(service), service=True,
            scores=[item.score for item in service.items],
        )  # fmt: skip
    schema = looks_like(line) if role == "exposures" and len(line) <= MAX_LINE_BYTES else SCHEMAS[role]
    return Row(role=role, file=file, offset=offset, findings=findings(line, schema))
