"""From bytes to a typed body. What cannot be decoded is refused with its JSON path (400), what is no JSON with 415."""

from __future__ import annotations

import re
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec

from recsys.contracts.api import MAX_OUTCOMES, OutcomeBatch, RecommendRequest, SimilarRequest
from recsys.errors import RequestError, nearest

T = TypeVar("T")

_recommend = msgspec.json.Decoder(RecommendRequest)
_similar = msgspec.json.Decoder(SimilarRequest)
_batch = msgspec.json.Decoder(OutcomeBatch)
_UNKNOWN_FIELD = re.compile("Object contains unknown field `(.*)`", re.DOTALL)
_keys = msgspec.json.Decoder(dict[str, msgspec.Raw])


def recommend(body: bytes) -> RecommendRequest:
    """The body of ``/v1/recommend``."""
    return _decoded(_recommend, body)


def similar(body: bytes) -> SimilarRequest:
    """The body of ``/v1/similar``."""
    return _decoded(_similar, body)


def outcomes(body: bytes) -> list[bytes]:
    """The events of ``/v1/outcomes``: those of a batch, or the one that the body is."""
    if "outcomes" not in _decoded(_keys, body):
        return [body]
    events = _decoded(_batch, body).outcomes
    if not 1 <= len(events) <= MAX_OUTCOMES:
        raise RequestError(
            422, "RECSYS_UNPROCESSABLE_ENTITY", f"found {len(events)} events, expected 1 to {MAX_OUTCOMES}",
            where="$.outcomes",
        )  # fmt: skip
    return [bytes(event) for event in events]


def check_content_type(value: str | None) -> None:
    """RequestError (415) for a body that says that it is something else than JSON."""
    kind = (value or "application/json").split(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        hint = "Send Content-Type: application/json."
        raise RequestError(415, "RECSYS_INVALID_REQUEST", f"the content type is {kind[:60]!r}", hint=hint)


def _decoded(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        problem, _, path = str(error).partition(" - at `")
        where, hint = path.removesuffix("`") or "$", ""
        if not body.strip():
            problem = "the body is empty; expected a JSON object"
        elif (unknown := _UNKNOWN_FIELD.fullmatch(problem)) is not None:
            known = _fields(decoder.type, where)
            hint = nearest(unknown[1][:64], known) if known else ""
        raise RequestError(400, "RECSYS_INVALID_REQUEST", problem, where=where, hint=hint) from None


def _fields(body: Any, path: str) -> list[str]:
    """The fields of the object at ``path``, such as ``$.user``, in a body of this type; none where there is no such
    path: a client may send a field whose name looks like the end of a message."""
    objects = [body]
    for name in path.split(".")[1:]:
        kinds = [get_type_hints(each).get(name) for each in objects]
        parts = [part for kind in kinds for part in (kind, *get_args(kind))]
        objects = [part for part in parts if isinstance(part, type) and issubclass(part, msgspec.Struct)]
    return [field for each in objects for field in each.__struct_fields__]


def encode(answer: Any) -> bytes:
    """An answer as JSON."""
    return msgspec.json.encode(answer)
