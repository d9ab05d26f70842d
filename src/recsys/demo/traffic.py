"""Shoppers over HTTP: each visit asks for a list, looks at it, and reports what happened, as a product would."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from recsys.demo.experiment import EXPERIMENT, sent_request_id
from recsys.demo.shop import Shop, item_id, item_index, shopper_id
from recsys.demo.shoppers import LIST_LENGTH, Action, Visit, react
from recsys.errors import StorageError

CONNECTIONS = 8
TIMEOUT_S = 30.0
OnAnswer = Callable[[Visit, dict[str, Any]], None]


def unheard(_visit: Visit, _answer: dict[str, Any]) -> None:
    """Nobody wants to know of the answers."""


@dataclass(frozen=True)
class Address:
    """Where the service listens, and the API key of the shop's tenant."""

    host: str
    port: int
    api_key: str = field(repr=False)


@dataclass(frozen=True)
class Traffic:
    """What was sent. ``latencies_ms`` holds one figure a recommend request, as the client saw it."""

    requests: int
    outcomes: int
    seconds: float
    latencies_ms: list[float]


def send(
    shop: Shop,
    visits: list[Visit],
    address: Address,
    *,
    on_visit: Callable[[], None],
    on_answer: OnAnswer = unheard,
) -> Traffic:
    """Play all visits over a few connections; raise StorageError at the first answer that is not 200.

    ``on_answer`` is called with each visit and the answer that it got, in the thread that got it.
    """
    client = _Client(address)
    started = time.perf_counter()

    def play(visit: Visit) -> tuple[int, float]:
        outcomes, latency = _play(shop, visit, client, on_answer)
        on_visit()
        return outcomes, latency

    with closing(client), ThreadPoolExecutor(CONNECTIONS) as pool:
        played = list(pool.map(play, visits))
    return Traffic(
        requests=len(played),
        outcomes=sum(outcomes for outcomes, _ in played),
        seconds=time.perf_counter() - started,
        latencies_ms=[latency for _, latency in played],
    )


def _play(shop: Shop, visit: Visit, client: _Client, on_answer: OnAnswer) -> tuple[int, float]:
    asked = time.perf_counter()
    answer = client.post("/v1/recommend", _recommend_body(visit), request_id=visit.request_id)
    latency_ms = (time.perf_counter() - asked) * 1000
    on_answer(visit, answer)
    shown = [item_index(item["item_id"]) for item in answer["items"]]
    actions = react(shop, visit, shown)
    if actions:
        rows = _outcomes(shop.seed, visit, answer["meta"]["experiment"]["variant"], actions)
        results = client.post("/v1/outcomes", {"outcomes": rows})["results"]
        refused = [result for result in results if result["status"] != "accepted"]
        if refused:
            raise StorageError("the service did not accept an outcome", found=str(refused[0]))
    return len(actions), latency_ms


def _recommend_body(visit: Visit) -> dict[str, Any]:
    body: dict[str, Any] = {
        "surface": visit.surface,
        "k": LIST_LENGTH,
        "user": {"user_id": shopper_id(visit.shopper)},
        "context": {"device": visit.device},
        "experiment": {"id": EXPERIMENT},
    }
    if visit.anchor is not None:
        body["anchors"] = {"item_ids": [item_id(visit.anchor)]}
    return body


def _outcomes(seed: int, visit: Visit, variant: str, actions: list[Action]) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    request_id = sent_request_id(seed, visit, variant)
    experiment = {"experiment_id": EXPERIMENT, "experiment_variant": variant}
    rows = []
    for delay, action in enumerate(actions):
        row: dict[str, Any] = {
            "request_id": request_id,
            "user_id": shopper_id(visit.shopper),
            "item_id": item_id(action.item),
            "event_type": action.event_type,
            "ts": now + timedelta(milliseconds=delay),
            "context": {"surface": visit.surface, "device": visit.device, **experiment},
        }
        if action.value is not None:
            row["value"] = action.value
        rows.append(row)
    return rows


class _Client:
    """A kept-alive connection for each thread."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._local = threading.local()
        self._opened: list[http.client.HTTPConnection] = []

    def close(self) -> None:
        """Close the connections of all threads."""
        for connection in self._opened:
            connection.close()

    def post(self, path: str, body: dict[str, Any], *, request_id: str | None = None) -> dict[str, Any]:
        """The decoded answer; StorageError unless it is a 200."""
        headers = {"Content-Type": "application/json", "X-API-Key": self._address.api_key}
        if request_id is not None:
            headers["X-Request-Id"] = request_id
        connection = self._connection()
        connection.request("POST", path, msgspec.json.encode(body), headers)
        response = connection.getresponse()
        payload = response.read()
        if response.status != 200:
            text = payload[:500].decode(errors="replace")
            raise StorageError(f"POST {path} was answered {response.status}", found=text, expected="200")
        return msgspec.json.decode(payload)

    def _connection(self) -> http.client.HTTPConnection:
        if not hasattr(self._local, "connection"):
            address = self._address
            self._local.connection = http.client.HTTPConnection(address.host, address.port, timeout=TIMEOUT_S)
            self._opened.append(self._local.connection)
        return self._local.connection
