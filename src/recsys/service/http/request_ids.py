"""Every answer names its request: the client's ``X-Request-Id`` where it is usable, else a new UUIDv7."""

from __future__ import annotations

import re
from typing import Any

import uuid_utils

from recsys.service.http import problems

HEADER = b"x-request-id"
_USABLE = re.compile(rb"[A-Za-z0-9._:~/+=-]{1,128}")
RULE = "1 to 128 of the characters A-Z a-z 0-9 . _ : ~ / + = -"


class RequestIds:
    """The outermost layer of the server: ``scope["recsys_request_id"]`` in, the header out."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection (ASGI)."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = [value for name, value in scope["headers"] if name == HEADER]
        usable = len(given) == 1 and _USABLE.fullmatch(given[0])
        request_id = given[0] if usable else str(uuid_utils.uuid7()).encode()

        async def send_named(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (HEADER, request_id)]
            await send(message)

        if given and not usable:
            await _refuse(send_named, scope["path"], request_id.decode())
            return
        scope["recsys_request_id"] = request_id.decode()
        await self._app(scope, receive, send_named)


async def _refuse(send: Any, path: str, request_id: str) -> None:
    detail = f"header X-Request-Id: not usable; expected one, of {RULE}. Leave it out to get a new one."
    content = problems.body(400, "RECSYS_INVALID_REQUEST", detail, instance=path, request_id=request_id)
    headers = [(b"content-type", problems.MEDIA_TYPE.encode()), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": 400, "headers": headers})
    await send({"type": "http.response.body", "body": content})
