"""Every answer names its request: the client's ``X-Request-Id`` where it is usable, else a new UUIDv7."""

from __future__ import annotations

import re
from typing import Any

import uuid_utils

from recsys.errors import RequestError
from recsys.service.http import problems
from recsys.service.http.calls import send

HEADER = b"x-request-id"
_USABLE = re.compile(rb"[A-Za-z0-9._:~/+=-]{1,128}")
RULE = "1 to 128 of the characters A-Z a-z 0-9 . _ : ~ / + = -"


class RequestIds:
    """The outermost layer of the server: ``scope["recsys_request_id"]`` in, the header out."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send_on: Any) -> None:
        """Serve one connection (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send_on)
            return
        given = [value for name, value in scope["headers"] if name == HEADER]
        usable = len(given) == 1 and _USABLE.fullmatch(given[0])
        request_id = given[0] if usable else str(uuid_utils.uuid7()).encode()

        async def send_named(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (HEADER, request_id)]
            await send_on(message)

        if given and not usable:
            await _refuse(send_named, scope["path"], request_id.decode())
            return
        scope["recsys_request_id"] = request_id.decode()
        await self._app(scope, receive, send_named)


async def _refuse(send_named: Any, path: str, request_id: str) -> None:
    detail = f"header X-Request-Id: not usable; expected one, of {RULE}. Leave it out to get a new one."
    error = RequestError(400, "RECSYS_INVALID_REQUEST", detail)
    await send(problems.refusal(error, instance=path, request_id=request_id), send_named)
