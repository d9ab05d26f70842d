"""One HTTP request and its answer as bytes. The framework routes; what is read and sent on every request is here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from recsys.errors import RequestError

JSON = "application/json"


class Answer(NamedTuple):
    """What goes back."""

    content: bytes
    status: int = 200
    media_type: str = JSON
    headers: dict[str, str] | None = None


class ClientGoneError(Exception):
    """The client left before its request was read: there is nobody to answer."""


class Call:
    """A request as it comes in. Header names are in lower case, as ASGI has them."""

    __slots__ = ("_headers", "_max_body", "_receive", "path", "request_id")

    def __init__(self, scope: Any, receive: Any, max_body: int) -> None:
        self._headers: list[tuple[bytes, bytes]] = scope["headers"]
        self._receive = receive
        self._max_body = max_body
        self.path: str = scope["path"]
        self.request_id: str = scope["recsys_request_id"]

    def headers(self, name: bytes) -> list[str]:
        """All values of a header, in order."""
        return [value.decode("latin-1") for known, value in self._headers if known == name]

    def header(self, name: bytes) -> str | None:
        """The value of a header, the first one where it was sent more than once; None where it was not."""
        for known, value in self._headers:
            if known == name:
                return value.decode("latin-1")
        return None

    async def body(self) -> bytes:
        """The whole body; RequestError (413) as soon as it is known to be longer than a body may be."""
        announced = self.header(b"content-length")
        if announced is not None and announced.isdigit() and int(announced) > self._max_body:
            raise self._too_long()
        parts, size, more = [], 0, True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGoneError
            part, more = message.get("body", b""), message.get("more_body", False)
            size += len(part)
            if size > self._max_body:
                raise self._too_long()
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _too_long(self) -> RequestError:
        told = f"the body is longer than {self._max_body:,} bytes"
        return RequestError(413, "RECSYS_INVALID_REQUEST", told, hint="Send less at once.")


Handler = Callable[[Call], Awaitable[Answer]]


async def send(answer: Answer, send: Any) -> None:
    """Send an answer (ASGI)."""
    headers = [
        (b"content-type", answer.media_type.encode()),
        (b"content-length", str(len(answer.content)).encode()),
    ]
    if answer.headers:
        headers += [(name.encode(), value.encode()) for name, value in answer.headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.content})
