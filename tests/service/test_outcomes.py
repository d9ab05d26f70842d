"""Outcomes: checked one by one, pseudonymised like the exposure, written once."""

import asyncio
import json
import os
import time
from collections import Counter
from datetime import UTC, datetime

import pytest

from recsys.errors import RequestError, StorageError
from recsys.eventlog.pseudonym import pseudonym
from recsys.eventlog.writing.writer import LogSettings, LogWriter
from recsys.service.logs import Logs
from recsys.service.outcomes import REMEMBERED_S, REPEATED_REQUESTS, Collector, Seen
from service_world import log_lines, one

TS = "2026-02-05T10:00:00Z"


def event(request_id: str, **fields) -> dict:
    return {"request_id": request_id, "user_id": "buyer", "item_id": "item-1", "event_type": "click", "ts": TS} | fields


def statuses(answer) -> list[str]:
    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    assert [result["index"] for result in results] == list(range(len(results)))
    return [result["status"] for result in results]


def logged(world, request_id: str) -> list[dict]:
    return [row for row in log_lines(world.logs, "outcome") if row["request_id"] == request_id]


def test_one_outcome_carries_the_pseudonym_of_its_exposure(world):
    """The pair that evaluation joins: same request_id, same user_id."""
    body = {"surface": "home", "k": 2, "user": {"user_id": " buyer "}}
    answer = world.post("/v1/recommend", body, headers={"X-Request-Id": "pair-1"}).json()
    item = answer["items"][0]["item_id"]
    sent = event("pair-1", item_id=item, event_type="conversion", value=49.9, event_id="e-pair", context={"a": "b"})
    assert statuses(world.post("/v1/outcomes", sent)) == ["accepted"]
    (row,) = logged(world, "pair-1")
    exposure = one(log_lines(world.logs), "pair-1")
    assert row["user_id"] == exposure["subject"]["user_id_hash"] == pseudonym(b"salt", "buyer")
    assert row == sent | {"user_id": row["user_id"], "context": {"a": "b", "tenant_id": "demo"}}


def test_a_request_without_subject_is_matched_by_its_id(world):
    """Where the exposure's user_id is the request_id, the outcome's may be it too, as it is."""
    world.post("/v1/similar", {"surface": "s", "item_id": "item-01", "k": 1}, headers={"X-Request-Id": "nobody-1"})
    world.post("/v1/outcomes", event("nobody-1", user_id="nobody-1"))
    assert logged(world, "nobody-1")[0]["user_id"] == "nobody-1"


def test_a_batch_is_answered_one_by_one(world):
    """Good ones are written though others are bad, each of which is told why."""
    events = [
        event("batch-1"),
        event("batch-2", ts="2026-02-05T10:00:00"),
        event("batch-3", event_type="view"),
        event("batch-4", user_id=""),
        event("batch-5", value=float(10**15)),
        {**event("batch-6"), "price": 1},
        [],
        None,
        event("batch-7", context={"tenant_id": "other"}),
        event("batch-8", context={"tenant_id": "demo"}),
        {"request_id": "batch-9"},
        event("batch-1"),
        event("batch-1", ts="2026-02-05T11:00:00+01:00"),
    ]
    answer = world.post("/v1/outcomes", {"outcomes": events})
    assert statuses(answer) == [
        "accepted", "rejected", "rejected", "rejected", "accepted", "rejected", "rejected", "rejected", "rejected",
        "accepted", "rejected", "duplicate", "duplicate",
    ]  # fmt: skip
    results = answer.json()["results"]
    for index, told in ((1, "$.ts"), (2, "$.event_type"), (3, "$.user_id"), (5, "price"), (8, "$.context.tenant_id")):
        assert told in results[index]["error"]
    assert all(("error" in result) == (result["status"] == "rejected") for result in results)
    written = [row["request_id"] for row in log_lines(world.logs, "outcome") if row["request_id"].startswith("batch-")]
    assert written == ["batch-1", "batch-5", "batch-8"]


def test_a_single_bad_outcome_is_told_like_one_of_a_batch(world):
    """A well-formed body is 200: the result says that it was rejected, and why."""
    answer = world.post("/v1/outcomes", event("single-1", rank=3))
    assert statuses(answer) == ["rejected"]
    assert "rank" in answer.json()["results"][0]["error"]


def test_no_raw_id_in_a_rejection(world):
    """Errors show types and lengths."""
    answer = world.post("/v1/outcomes", event("secret-request", user_id="secret-user\x01", item_id="\x02secret-item"))
    assert statuses(answer) == ["rejected"]
    assert "secret" not in answer.text


def test_duplicates_across_requests(world):
    """The same event, or the same event_id, is written once by a worker; it is told so."""
    first = event("again-1", event_id="again-e")
    assert statuses(world.post("/v1/outcomes", first)) == ["accepted"]
    assert statuses(world.post("/v1/outcomes", first)) == ["duplicate"]
    assert statuses(world.post("/v1/outcomes", first | {"event_id": "again-f"})) == ["duplicate"]
    assert statuses(world.post("/v1/outcomes", first | {"ts": "2026-02-05T10:00:01Z"})) == ["duplicate"]
    assert statuses(world.post("/v1/outcomes", first | {"item_id": "item-2", "event_id": "again-g"})) == ["accepted"]
    assert statuses(world.post("/v1/outcomes", first, key=world.other_key)) == ["accepted"]
    assert [row["context"]["tenant_id"] for row in logged(world, "again-1")] == ["demo", "demo", "other"]


@pytest.mark.parametrize("count", [0, 1001])
def test_the_size_of_a_batch(world, count):
    """1 to 1,000 events; others are refused whole."""
    events = [{"x": number} for number in range(count)]
    answer = world.post("/v1/outcomes", {"outcomes": events})
    assert (answer.status_code, answer.json()["code"]) == (422, "RECSYS_UNPROCESSABLE_ENTITY")


def test_a_batch_with_more_than_events_is_refused(world):
    """Keys beside ``outcomes`` are unknown ones."""
    answer = world.post("/v1/outcomes", {"outcomes": [event("beside-1")], "dry_run": True})
    assert (answer.status_code, "dry_run" in answer.json()["detail"]) == (400, True)
    assert not logged(world, "beside-1")
    assert world.post("/v1/outcomes", {"outcomes": event("beside-1")}).status_code == 400


def test_white_space_in_an_event_stays_one_line(world):
    """A pretty-printed event is one line of the log."""
    body = json.dumps({"outcomes": [event("pretty-1", context={"a": "line\nbreak"})]}, indent=4).replace("\n", "\r\n")
    answer = world.post("/v1/outcomes", content=body.encode())
    assert statuses(answer) == ["accepted"]
    assert logged(world, "pretty-1")[0]["context"]["a"] == "line\nbreak"


def test_without_an_outcome_log(make_world):
    """503 that says what to set: nothing is taken that is not written. Lists say that they are not logged."""
    silent = make_world(OUTCOME_LOG_PATH="", EXPOSURE_LOG_ENABLED="false", ASSIGNMENT_LOG_PATH="")
    answer = silent.post("/v1/outcomes", event("lost-1"))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
    assert "OUTCOME_LOG_PATH" in answer.json()["detail"]
    found = silent.recommend(segment="x")
    assert found["meta"]["exposure"] == {"logged": False, "durable": False}
    assert [warning["code"] for warning in found["warnings"]] == ["EXPOSURE_NOT_LOGGED"]
    assert "the exposure log is not enabled" in silent.server.said


class Memory:
    """A log in memory that can fail, and takes a moment."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.broken = False

    async def append_durable(self, line: bytes) -> None:
        await asyncio.sleep(0)
        if self.broken:
            raise StorageError("the outcome log cannot be written")
        self.lines += line.split(b"\n")


def collector(memory, seen=None) -> Collector:
    return Collector(Logs(exposure=None, outcome=memory, assignment=None), b"salt", seen)


def test_what_could_not_be_written_is_not_remembered():
    """A failed write is 503, and the same events are taken when they come again."""
    memory = Memory()
    taking = collector(memory)
    lines = [json.dumps(event("r")).encode()]
    memory.broken = True
    with pytest.raises(RequestError) as refused:
        asyncio.run(taking.collect("demo", lines))
    assert (refused.value.status, refused.value.retry_after) == (503, 5)
    memory.broken = False
    assert [result.status for result in asyncio.run(taking.collect("demo", lines))] == ["accepted"]


def test_the_same_event_twice_at_once_is_written_once():
    """A client that sends again before the first answer came."""
    memory = Memory()
    taking = collector(memory)
    lines = [json.dumps(event("r")).encode()]

    async def both():
        return await asyncio.gather(taking.collect("demo", lines), taking.collect("demo", lines))

    found = sorted(result.status for results in asyncio.run(both()) for result in results)
    assert found == ["accepted", "duplicate"]
    assert len(memory.lines) == 1


def test_an_event_twice_at_once_is_not_lost_with_the_first():
    """Where the first of two fails to be written, the second is: neither is called a duplicate of nothing."""
    memory = Memory()
    taking = collector(memory)
    lines = [json.dumps(event("r")).encode()]

    async def both():
        memory.broken = True
        first = asyncio.create_task(taking.collect("demo", lines))
        second = asyncio.create_task(taking.collect("demo", lines))
        with pytest.raises(RequestError):
            await first
        memory.broken = False
        return await second

    assert [result.status for result in asyncio.run(both())] == ["accepted"]
    assert len(memory.lines) == 1


class SlowFlush:
    """The functions of ``os``, with a slow disk."""

    def __getattr__(self, name):
        return getattr(os, name)

    def fdatasync(self, fd):
        time.sleep(0.05)


@pytest.fixture
def slow(tmp_path):
    """The logs of a service whose outcome log has a slow disk and room for ten lines."""
    settings = LogSettings(path=f"{tmp_path}/", fsync=True, max_waiting=10)
    writer = LogWriter(settings, log="outcome", writer="w", files=SlowFlush())
    writer.open()
    yield Logs(exposure=None, outcome=writer, assignment=None)
    writer.close()


async def ask(logs, taking, names):
    """Send one event in each of many requests at once; how many were accepted, duplicates and refused."""

    async def one_of(name):
        await asyncio.sleep(0)
        try:
            logs.require_room("outcome")
            (result,) = await taking.collect("demo", [json.dumps(event(name)).encode()])
        except RequestError as error:
            return error.code
        return result.status

    return Counter(await asyncio.gather(*map(one_of, names)))


def test_p10_outcomes_that_wait_for_a_slow_disk_are_bounded(slow):
    """With room for ten lines, others are told to come again; those that wait share a flush."""
    taking = Collector(slow, b"salt")
    began = time.monotonic()
    found = asyncio.run(ask(slow, taking, [f"r{n}" for n in range(100)]))
    assert found == {"accepted": 10, "RECSYS_OVERLOADED": 90}
    assert time.monotonic() - began < 0.4


def test_p10_one_event_sent_again_and_again_is_bounded_too(slow):
    """Those that wait for the first to be written are so many and no more."""
    taking = Collector(slow, b"salt")
    found = asyncio.run(ask(slow, taking, ["same"] * 500))
    assert found == {"accepted": 1, "duplicate": REPEATED_REQUESTS, "RECSYS_OVERLOADED": 399}


def test_events_are_remembered_for_an_hour_and_not_without_bound():
    """Older ones are forgotten; so are the oldest of too many."""
    now = 0.0
    seen = Seen(clock=lambda: now, capacity=3)
    seen.add(b"a")
    now = REMEMBERED_S
    assert b"a" in seen
    now += 1
    assert b"a" not in seen
    for key in (b"b", b"c", b"d", b"e"):
        seen.add(key)
    assert [key in seen for key in (b"a", b"b", b"c", b"d", b"e")] == [False, False, True, True, True]


def test_timestamps_are_instants():
    """An event told in another offset is the same event."""
    memory = Memory()
    taking = collector(memory)
    moment = datetime(2026, 2, 5, 10, tzinfo=UTC)
    lines = [json.dumps(event("r", ts=moment.isoformat())).encode(), json.dumps(event("r")).encode()]
    assert [result.status for result in asyncio.run(taking.collect("demo", lines))] == ["accepted", "duplicate"]
