"""Load for tests: keep-alive connections send recommend requests until told to stop, and keep what each answer said.

A request is sent once, under an id of its own. Where the connection breaks before the answer is whole, nobody knows
what became of it: ``status`` is 0, and the client connects again.
"""

import asyncio
import itertools
import json
import re
import threading
import time
from typing import NamedTuple

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Reply(NamedTuple):
    """What came back for one request. ``logged``: what ``meta.exposure.logged`` says; False without a 200."""

    request_id: str
    status: int
    logged: bool
    durable: bool
    code: str


class Load:
    """Sends in a thread of its own from ``start`` to ``stop``; ``replies`` holds what came back so far."""

    def __init__(self, url: str, key: str, *, connections: int = 16, name: str = "r", pause: float = 0.0) -> None:
        self._host, self._port = url.removeprefix("http://").rsplit(":", 1)
        self._key = key
        self._connections = connections
        self._pause = pause
        self._numbers = itertools.count(1)
        self._name = name
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._send_all()), daemon=True)
        self.replies: list[Reply] = []

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def run(self, seconds: float) -> list[Reply]:
        """Let it send for so long, then stop it."""
        with self:
            time.sleep(seconds)
        return self.replies

    def stop(self) -> None:
        """Send no more, and wait for the answers that are due."""
        self._stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive(), "a connection hangs"

    async def _send_all(self) -> None:
        await asyncio.gather(*(self._connection(number) for number in range(self._connections)))

    async def _connection(self, number: int) -> None:
        while not self._stop.is_set():
            try:
                reader, writer = await asyncio.open_connection(self._host, int(self._port))
            except OSError:
                await asyncio.sleep(0.05)
                continue
            try:
                while not self._stop.is_set():
                    self.replies.append(await self._ask(reader, writer, number))
                    if self.replies[-1].status == 0:
                        break
                    if self._pause:
                        await asyncio.sleep(self._pause)
            finally:
                writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> Reply:
        request_id = f"{self._name}-{next(self._numbers)}"
        body = json.dumps({"surface": "home", "k": 5, "user": {"user_id": f"user-{number}"}}).encode()
        head = (
            f"POST /v1/recommend HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
            f"X-API-Key: {self._key}\r\nX-Request-Id: {request_id}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        try:
            writer.write(head.encode() + body)
            answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
            found = _LENGTH.search(answer)
            assert found is not None, answer
            content = json.loads(await reader.readexactly(int(found[1])))
        except (OSError, asyncio.IncompleteReadError):
            return Reply(request_id, 0, False, False, "")
        status = int(answer.split(b" ", 2)[1])
        exposure = content.get("meta", {}).get("exposure", {})
        return Reply(
            request_id, status, exposure.get("logged", False), exposure.get("durable", False), content.get("code", "")
        )
