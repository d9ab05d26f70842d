"""What a client gets: lists, exposures that are there before the reply, outcomes under the same pseudonym."""

import json
import re
import threading
from datetime import UTC, datetime

import httpx
import msgspec
import pytest

from recsys.contracts.events import ServiceExposure
from recsys.eventlog.convert import to_exposure_v1
from recsys.eventlog.pseudonym import pseudonym
from service_world import EVENTS, ITEMS, log_lines, one

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def test_a_list_with_everything_that_was_promised(world):
    """k items of the catalogue with ranks and scores, versions, counts, timings, and a written exposure."""
    answer = world.recommend(k=7, options={"include_reasons": True})
    assert [item["rank"] for item in answer["items"]] == list(range(1, 8))
    assert {item["item_id"] for item in answer["items"]} <= set(ITEMS)
    scores = [item["score"] for item in answer["items"]]
    assert scores == sorted(scores, reverse=True)
    assert "co_visitation" in answer["items"][0]["reasons"]
    meta = answer["meta"]
    assert (meta["tenant_id"], meta["surface"], meta["segment"]) == ("demo", "home", "default")
    assert meta["config_version"].startswith("c1-")
    assert meta["release"].startswith("r-")
    assert meta["counts"] == {"candidates": 30, "filtered": 0, "returned": 7}
    assert meta["exposure"] == {"logged": True, "durable": False}
    assert set(meta["timings_ms"]) == {"rank", "log", "total"}
    assert [warning["code"] for warning in answer["warnings"]] == ["DEFAULT_APPLIED"]


def test_the_exposure_is_there_before_the_reply(world):
    """As soon as the reply is read, its line is in the log, with the very list; raw ids are not."""
    for number in range(20):
        body = {"surface": "home", "k": 3, "user": {"user_id": f" raw-user-{number} ", "session_id": "raw-session"}}
        answer = world.post("/v1/recommend", body, headers={"X-Request-Id": f"order-{number}"}).json()
        row = one(log_lines(world.logs), f"order-{number}")
        assert row["subject"]["user_id_hash"] == pseudonym(b"salt", f"raw-user-{number}")
        assert row["subject"]["session_id_hash"] == pseudonym(b"salt", "raw-session")
        keys = ("item_id", "rank", "score")
        assert row["items"] == [{key: item[key] for key in keys} for item in answer["items"]]
        assert (row["error"], row["release"]) == (False, answer["meta"]["release"])
        assert 0 <= row["latency_ms"] < 20_000
    written = "".join(path.read_text() for path in world.logs.iterdir())
    assert "raw-user" not in written
    assert "raw-session" not in written


def test_both_workers_give_the_same_bytes(world):
    """The same request, again and again on new connections: byte-identical items, from both workers."""
    body = {"surface": "home", "k": 20, "user": {"user_id": "user-3"}, "options": {"include_reasons": True}}
    lists, writers = set(), set()

    def ask() -> None:
        for _ in range(12):
            answer = httpx.post(f"{world.server.url}/v1/recommend", json=body, headers={"X-API-Key": world.key})
            lists.add(re.sub(r',"meta":.*', "", answer.text))

    for _ in range(10):
        threads = [threading.Thread(target=ask) for _ in range(6)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        hashed = pseudonym(b"salt", "user-3")
        writers = {path for path in world.logs.glob("exposure-*.jsonl") if hashed in path.read_text()}
        if len(writers) == 2:
            break
    assert len(lists) == 1
    assert len(writers) == 2


def test_similar_items(world):
    """Items like one, without it; the exposure carries the subject where there is one."""
    body = {"surface": "item_page", "item_id": "item-01", "k": 4, "user": {"anonymous_id": "visitor"}}
    answer = world.post("/v1/similar", body, headers={"X-Request-Id": "similar-1"}).json()
    assert len(answer["items"]) == 4
    assert "item-01" not in [item["item_id"] for item in answer["items"]]
    row = one(log_lines(world.logs), "similar-1")
    assert row["subject"] == {"anonymous_id_hash": pseudonym(b"salt", "visitor")}
    del body["user"]
    world.post("/v1/similar", body, headers={"X-Request-Id": "similar-2"})
    assert "subject" not in one(log_lines(world.logs), "similar-2")


def test_similar_to_an_unknown_item_still_answers(world):
    """What the catalogue does not know is no error: popular items, and a warning."""
    answer = world.post("/v1/similar", {"surface": "s", "item_id": "never seen", "k": 4, "segment": "x"}).json()
    assert len(answer["items"]) == 4
    assert answer["warnings"]


def test_validate_ranks_and_logs_nothing(world):
    """The normalised request, without raw ids, and nothing in the log."""
    body = {"surface": "home", "user": {"user_id": "raw-validate"}, "weights": {"emb": 1}, "options": {"seed": 3},
            "experiment": {"id": "exp-1"}}  # fmt: skip
    answer = world.post("/v1/recommend/validate", body, headers={"X-Request-Id": "validate-1"})
    found = answer.json()
    assert (found["tenant_id"], found["request"]["k"], found["request"]["segment"]) == ("demo", 20, "default")
    assert found["request"]["user"] == {"user_id": "given"}
    assert found["request"]["experiment"]["variant"] in {"A", "B"}
    assert [w["code"] for w in found["warnings"]].count("SIGNAL_UNAVAILABLE") == 1
    assert "raw-validate" not in answer.text
    assert "validate-1" not in [row["request_id"] for row in log_lines(world.logs)]


def test_request_ids(world):
    """The client's is used, without one a UUIDv7 is made, an unusable one is refused with the rule."""
    usable = "a.B_9:~/+=-" * 11
    answer = world.get("/livez", headers={"X-Request-Id": usable})
    assert answer.headers["x-request-id"] == usable
    made = world.get("/livez").headers["x-request-id"]
    assert UUID7.fullmatch(made)
    assert made != world.get("/livez").headers["x-request-id"]
    for bad in ("", "a b", "x" * 129, "ü".encode(), "a;b"):
        refused = world.get("/livez", headers={"X-Request-Id": bad})
        assert refused.status_code == 400
        assert "1 to 128 of" in refused.json()["detail"]
        assert refused.headers["x-request-id"] == refused.json()["request_id"]
        assert UUID7.fullmatch(refused.json()["request_id"])
    twice = httpx.get(f"{world.server.url}/livez", headers=[("X-Request-Id", "a"), ("X-Request-Id", "b")])
    assert twice.status_code == 400


def test_now_sets_the_clock(world):
    """Before the first event nothing is popular yet; without ``now`` the newest event is the clock."""
    first = datetime.fromtimestamp(min(ts for _, _, ts in EVENTS), UTC)
    early = world.recommend(context={"now": "1971-01-01T00:00:00Z"}, segment="x")
    assert "SIGNAL_UNAVAILABLE" in [warning["code"] for warning in early["warnings"]]
    newest = datetime.fromtimestamp(max(ts for _, _, ts in EVENTS), UTC)
    late = world.recommend(context={"now": newest.isoformat()})
    assert late["items"] == world.recommend()["items"]
    assert world.recommend(context={"now": first.isoformat()}, surface="popular")["items"] != late["items"]


def test_eval_v1_is_the_converted_service_v1(world, make_world):
    """The same requests to two services, one of each format: conversion of one log gives the other."""
    evaluating = make_world(EXPOSURE_LOG_FORMAT="eval_v1", EXPERIMENT_ASSIGNMENT_ENABLED="true",
                            EXPERIMENT_ASSIGNMENT_SALT="salt", EXPOSURE_LOG_FSYNC="true")  # fmt: skip
    bodies = {
        "both-1": {"user": {"user_id": "u"}, "context": {"locale": "de", "now": "2026-02-02T03:00:00Z"}},
        "both-2": {"user": {"anonymous_id": "a", "session_id": "s"}, "segment": "new", "experiment": {"id": "exp-1"}},
        "both-3": {"user": {"session_id": "s"}, "candidates": {"include_ids": []}},
    }
    for request_id, body in bodies.items():
        for service in (world, evaluating):
            answer = service.post(
                "/v1/recommend", {"surface": "home", "k": 3} | body, headers={"X-Request-Id": request_id}
            )
            assert answer.json()["meta"]["exposure"] == {"logged": True, "durable": service is evaluating}
    similar = {"surface": "home", "item_id": "item-01", "k": 2}
    for service in (world, evaluating):
        service.post("/v1/similar", similar, headers={"X-Request-Id": "both-4"})
    for request_id in (*bodies, "both-4"):
        written = json.dumps(one(log_lines(world.logs), request_id)).encode()
        there = one(log_lines(evaluating.logs), request_id)
        here = json.loads(msgspec.json.encode(to_exposure_v1(msgspec.json.decode(written, type=ServiceExposure))))
        for row in (here, there):
            assert row.pop("ts")
            assert row.pop("latency_ms") >= 0
        assert here == there
    assert one(log_lines(evaluating.logs), "both-4")["context"]["anonymous"] == "true"


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/openapi.json"])
def test_public_pages_need_no_credential(world, path):
    """Health and documentation answer without a key."""
    assert world.get(path, key="").status_code == 200


def test_detailed_health(world):
    """What the tenant is served from; only for the tenant's own keys."""
    found = world.get("/health/detailed").json()
    assert (found["status"], found["reasons"]) == ("ok", [])
    assert (found["tenant"]["tenant_id"], found["tenant"]["items"], found["tenant"]["events"]) == ("demo", 30, 120)
    assert [(log["log"], log["enabled"], log["writable"]) for log in found["logs"]] == [
        (log, True, True) for log in ("exposure", "outcome", "assignment")
    ]
    assert world.get("/health/detailed", key="").status_code == 401
    assert world.get("/health/detailed", key=world.browser_key).status_code == 403
