"""A client in a process of its own: a few keep-alive connections that send at a given rate, or as fast as they can.

``python -m benchmarks.client PORT CONNECTIONS RATE FILE OUT`` with one JSON body a line in FILE; writes a JSON object
with ``seconds`` and ``latencies_ms`` to OUT. RATE: requests a second over all connections, each sent at its own time
whatever the server does, and its latency counted from then; 0: each connection sends when it has an answer. The API
key is read from the environment (``BENCH_API_KEY``).
"""

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import uvloop

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


async def _connection(port: int, requests: list[bytes], due: Iterator[float], latencies: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while requests:
        request, started = requests.pop(), next(due)
        wait = started - time.perf_counter()
        if wait > 0:
            await asyncio.sleep(wait)
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(int(_LENGTH.search(head)[1]))
        latencies.append((time.perf_counter() - started) * 1000)
        if not head.startswith(b"HTTP/1.1 200"):
            sys.exit(f"not a 200: {head!r} {body[:300]!r}")
    writer.close()


def _due(rate: int) -> Iterator[float]:
    """When each request is to be sent: one after the other at ``rate``, or now."""
    started = time.perf_counter()
    for number in count():
        yield started + number / rate if rate else time.perf_counter()


async def _send(port: int, connections: int, rate: int, bodies: list[bytes]) -> dict:
    head = (
        f"POST /v1/recommend HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"X-API-Key: {os.environ['BENCH_API_KEY']}\r\nContent-Length: "
    ).encode()
    requests = [head + str(len(body)).encode() + b"\r\n\r\n" + body for body in reversed(bodies)]
    latencies: list[float] = []
    started, due = time.perf_counter(), _due(rate)
    await asyncio.gather(*(_connection(port, requests, due, latencies) for _ in range(connections)))
    return {"seconds": time.perf_counter() - started, "latencies_ms": latencies}


if __name__ == "__main__":
    port, connections, rate, path, out = sys.argv[1:]
    bodies = Path(path).read_bytes().splitlines()
    Path(out).write_text(json.dumps(uvloop.run(_send(int(port), int(connections), int(rate), bodies))))
