"""From ``service_v1``, the service's own audit record, to ``exposure.v1``, what evaluation reads.

The service writes ``eval_v1`` logs with this same function, so a converted audit log and a log written for evaluation
hold the same lines.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType

from recsys.contracts.events import Exposure, Item, ServiceExposure, SubjectHashes

ANONYMOUS = "anonymous"
VERSIONS = ("segment", "algo_version", "config_version", "rules_version", "manifest_version", "release")
SITUATION = ("locale", "device", "country", "now")


def to_exposure_v1(record: ServiceExposure) -> Exposure:
    """The ``exposure.v1`` of the same request.

    ``user_id`` is the first known pseudonym of user, anonymous and session id; without any it is the request id, and
    the context says ``anonymous: "true"``. The context holds every well-known key that the record knows.
    """
    items = [Item(item_id=item.item_id, rank=item.rank, propensity=item.propensity) for item in record.items]
    return _exposure(Exposure, record, record.timestamp, items)


def converted_lines(records: Iterable[Any], *, scores: bool = False) -> bytes:
    """The lines, each with its newline, of what ``to_exposure_v1`` makes of the records; with ``scores`` items keep
    theirs, which ``exposure.v1`` has no place for.

    Their ``timestamp`` is the text that stood in the line, as a block of lines is checked.
    """
    return _encode_lines(
        [
            _exposure(
                _Line,
                record,
                _instant(record.timestamp),
                [_LineItem(i.item_id, i.rank, i.propensity, i.score if scores else UNSET) for i in record.items],
            )
            for record in records
        ]
    )


_encode_lines = msgspec.json.Encoder().encode_lines
_Line: Callable[..., Struct] = msgspec.defstruct(
    "_Line", [(name, Any, UNSET) for name in Exposure.__struct_fields__], kw_only=True, omit_defaults=True, gc=False
)
"""``Exposure`` of values that are known to be valid, with its instant as text."""
_AS_ENCODED = re.compile(r"[0-9-]{10}T[0-9:]{8}(?:\.(?!0{6})[0-9]{6})?Z")


class _LineItem(Struct, omit_defaults=True, gc=False):
    """``Item``, made faster: by position."""

    item_id: str
    rank: int
    propensity: float | UnsetType = UNSET
    score: float | UnsetType = UNSET


def _instant(text: str) -> str:
    """An instant as it is spelt in a line that is encoded from records."""
    if _AS_ENCODED.fullmatch(text):
        return text
    return msgspec.json.encode(msgspec.convert(text, datetime))[1:-1].decode()


_Made = TypeVar("_Made")


def _exposure(make: Callable[..., _Made], record: Any, ts: Any, items: list[Any]) -> _Made:
    user_id = _subject(record.subject)
    return make(
        request_id=record.request_id,
        user_id=user_id or record.request_id,
        ts=ts,
        items=items,
        context=_context(record, anonymous=user_id is None),
        latency_ms=record.latency_ms,
        error=record.error,
    )


def _subject(subject: SubjectHashes | UnsetType) -> str | None:
    if subject is UNSET:
        return None
    for known in (subject.user_id_hash, subject.anonymous_id_hash, subject.session_id_hash):
        if known is not UNSET:
            return known
    return None


def _context(record: Any, *, anonymous: bool) -> dict[str, str]:
    context = {"tenant_id": record.tenant_id, "surface": record.surface}
    for key in VERSIONS:
        if (value := getattr(record, key)) is not UNSET:
            context[key] = value
    if record.experiment is not UNSET:
        context["experiment_id"] = record.experiment.id
        if record.experiment.variant is not UNSET:
            context["experiment_variant"] = record.experiment.variant
    if record.context is not UNSET:
        for key in SITUATION:
            if (value := getattr(record.context, key)) is not UNSET:
                context[key] = value
    if anonymous:
        context[ANONYMOUS] = "true"
    return context
