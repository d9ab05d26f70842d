"""Errors as ``application/problem+json`` (RFC 9457), with a stable code and the id of the request."""

from __future__ import annotations

import logging
from http import HTTPStatus

import msgspec

from recsys.contracts.api import Problem
from recsys.errors import RequestError
from recsys.service.http.calls import Answer

log = logging.getLogger("recsys.service")
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


def refusal(error: RequestError, *, instance: str, request_id: str) -> Answer:
    """The answer to a request that is refused."""
    headers = {}
    if error.retry_after is not None:
        headers["retry-after"] = str(error.retry_after)
    if error.status == 401:
        headers["www-authenticate"] = "ApiKey"
    content = body(error.status, error.code, str(error), instance=instance, request_id=request_id)
    return Answer(content, error.status, MEDIA_TYPE, headers)


def failure(error: Exception, *, instance: str, request_id: str) -> Answer:
    """The answer where the service is at fault: the cause goes to its log, not to the caller."""
    log.error("request %s failed", request_id, exc_info=error)
    detail = "the service failed on this request; its log has the cause under the request_id"
    content = body(500, "RECSYS_INTERNAL", detail, instance=instance, request_id=request_id)
    return Answer(content, 500, MEDIA_TYPE)
