"""Errors as ``application/problem+json`` (RFC 9457), with a stable code and the id of the request."""

from __future__ import annotations

from http import HTTPStatus

import msgspec

from recsys.contracts.api import Problem
from recsys.errors import RequestError

MEDIA_TYPE = "application/problem+json"
CODES = {
    400: "RECSYS_INVALID_REQUEST",
    401: "RECSYS_AUTH_REQUIRED",
    403: "RECSYS_FORBIDDEN",
    404: "RECSYS_INVALID_REQUEST",
    405: "RECSYS_INVALID_REQUEST",
    413: "RECSYS_INVALID_REQUEST",
    415: "RECSYS_INVALID_REQUEST",
    422: "RECSYS_UNPROCESSABLE_ENTITY",
    429: "RECSYS_RATE_LIMITED",
    503: "RECSYS_OVERLOADED",
}
"""The code of a status where the error brings none of its own."""


def body(status: int, code: str, detail: str, *, instance: str, request_id: str) -> bytes:
    """The problem document."""
    problem = Problem(
        type=f"urn:recsys:problem:{code.lower().replace('_', '-')}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=instance,
        code=code,
        request_id=request_id,
    )
    return msgspec.json.encode(problem)


def headers(error: RequestError) -> dict[str, str]:
    """What an error adds to the answer's headers."""
    found = {}
    if error.retry_after is not None:
        found["retry-after"] = str(error.retry_after)
    if error.status == 401:
        found["www-authenticate"] = "ApiKey"
    return found
