"""Every class of refusal is problem details with a code and the request's id, and never an error of ours."""

import json
import socket
from urllib.parse import urlsplit

import httpx
import pytest

from service_world import log_lines

USER = {"user_id": "user-1"}
FINE = {"surface": "home", "user": USER}
JSON = {"Content-Type": "application/json"}


def problem(answer: httpx.Response, status: int, code: str) -> dict:
    """The problem document of a refusal, checked for what all of them have."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()
    assert set(found) == {"type", "title", "status", "detail", "instance", "code", "request_id"}
    assert (found["status"], found["code"]) == (status, code)
    assert found["request_id"] == answer.headers["x-request-id"]
    assert found["instance"] == urlsplit(str(answer.request.url)).path
    assert "Traceback" not in answer.text
    assert "recsys.service" not in answer.text
    return found


BROKEN = {
    "empty": b"",
    "blank": b"  \n",
    "not JSON": b"surface=home",
    "torn": b'{"surface": "home"',
    "a list": b"[]",
    "a number": b"1",
    "null": b"null",
    "trailing": b'{"surface":"home"} x',
    "not UTF-8": b'{"surface":"\xff\xfe"}',
    "NUL": b'{"surface":"a\x00"}',
    "UTF-16": json.dumps(FINE).encode("utf-16"),
    "NaN": b'{"surface":"home","weights":{"pop":NaN}}',
    "Infinity": b'{"surface":"home","weights":{"pop":Infinity}}',
    "huge number": b'{"surface":"home","weights":{"pop":1e999}}',
    "lone surrogate": b'{"surface":"home","user":{"user_id":"\\ud800"}}',
    "lone low surrogate": b'{"surface":"home","user":{"user_id":"x\\udc00"}}',
    "surrogate key": b'{"surface":"home","constraints":{"max_per_tag":{"\\ud800":1}}}',
    "raw surrogate": b'{"surface":"\xed\xa0\x80"}',
    "deep lists": b'{"surface":"home","user":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "deep objects": b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
    "deep unknown": b'{"surface":"home","zzz":' + b"[" * 90_000 + b"]" * 90_000 + b"}",
    "huge int": b'{"surface":"home","k":' + b"9" * 5_000 + b"}",
    "huge seed": b'{"surface":"home","options":{"seed":' + b"9" * 5_000 + b"}}",
}


@pytest.mark.parametrize("path", ["/v1/recommend", "/v1/recommend/validate", "/v1/similar", "/v1/outcomes"])
@pytest.mark.parametrize("name", BROKEN)
def test_a_malformed_body(world, path, name):
    """400, whatever it is that cannot be read."""
    answer = world.post(path, content=BROKEN[name], headers=JSON)
    if path == "/v1/outcomes" and answer.status_code == 200:  # an object, though no event: told as its result
        assert [result["status"] for result in answer.json()["results"]] == ["rejected"]
        return
    found = problem(answer, 400, "RECSYS_INVALID_REQUEST")
    if name in ("empty", "blank"):
        assert "body is empty" in found["detail"]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"surfaces": "s"}, "$: Object contains unknown field `surfaces`. Did you mean 'surface'?"),
        ({"user": {"userid": "u"}}, "$.user: Object contains unknown field `userid`. Did you mean 'user_id'?"),
        ({"experiment": {"name": "e"}}, "$.experiment: Object contains unknown field `name`. Known: id, variant."),
        ({"x` - at `$.nope": 1}, "$.nope: Object contains unknown field `x`"),
        ({"x` - at `$.constraints.max_per_tag.a": 1}, "$.constraints.max_per_tag.a: Object contains unknown field `x`"),
    ],
)
def test_an_unknown_field_is_told_with_the_nearest_one(world, body, told):
    """400 with what is known there, also where a field's name is made to look like the end of the message."""
    assert problem(world.post("/v1/recommend", FINE | body), 400, "RECSYS_INVALID_REQUEST")["detail"] == told


@pytest.mark.parametrize("number", [10**18, 10**19, 10**30, 10**400, -1, -(10**30)])
def test_big_integers_are_refused_as_what_they_are(world, number):
    """Whole numbers of any length are a matter of limits, or of JSON: never an error of ours."""
    for extra in ({"k": number}, {"anchors": {"max_anchors": number}}):
        assert world.post("/v1/recommend", FINE | extra).status_code in (400, 422)
    seeded = world.post("/v1/recommend", FINE | {"options": {"seed": number}})
    assert seeded.status_code in (200, 400)


TYPES = [
    ({"surface": 1}, "$.surface"),
    ({"k": "5"}, "$.k"),
    ({"k": 1.5}, "$.k"),
    ({"k": True}, "$.k"),
    ({"user": "u"}, "$.user"),
    ({"user": {"user_id": 7}}, "$.user.user_id"),
    ({"context": {"now": 0}}, "$.context.now"),
    ({"anchors": {"item_ids": "a"}}, "$.anchors.item_ids"),
    ({"anchors": {"item_ids": ["a", None]}}, "$.anchors.item_ids[1]"),
    ({"candidates": {"exclude_ids": [1]}}, "$.candidates.exclude_ids[0]"),
    ({"constraints": {"max_per_tag": {"red": "1"}}}, "$.constraints.max_per_tag"),
    ({"weights": {"pop": "1"}}, "$.weights.pop"),
    ({"options": {"include_reasons": "yes"}}, "$.options.include_reasons"),
    ({"options": {"explain": "everything"}}, "$.options.explain"),
    ({"experiment": {"variant": "A"}}, "$.experiment"),
]


@pytest.mark.parametrize(("extra", "path"), TYPES)
def test_a_wrong_type_names_its_path(world, extra, path):
    """400 with the JSON path, and what was expected."""
    found = problem(world.post("/v1/recommend", FINE | extra), 400, "RECSYS_INVALID_REQUEST")
    assert found["detail"].startswith(path)


@pytest.mark.parametrize("where", [None, "user", "context", "anchors", "candidates", "constraints", "weights",
                                   "options", "experiment"])  # fmt: skip
def test_an_unknown_key_is_refused(world, where):
    """A misspelt field never goes unnoticed: the answer names it."""
    base = {"id": "exp-1"} if where == "experiment" else {}
    body = FINE | ({"use": 1} if where is None else {where: base | {"use": 1}})
    found = problem(world.post("/v1/recommend", body), 400, "RECSYS_INVALID_REQUEST")
    assert "`use`" in found["detail"]
    assert found["detail"].startswith("$" if where is None else f"$.{where}")


MEANING = [
    ({"user": {}}, "$.user:"),
    ({"user": {"user_id": " \t", "session_id": ""}}, "$.user:"),
    ({"user": {"user_id": "u" * 513}}, "$.user.user_id"),
    *(({"surface": bad}, "$.surface") for bad in ("", " ", ".", "..", "a/b", "a\\b", "a\nb", "a\x7fb", "x" * 129)),
    *(({"k": bad}, "$.k") for bad in (0, -1, 51, 201)),
    ({"segment": ""}, "$.segment"),
    ({"segment": "x" * 129}, "$.segment"),
    *(({"context": {"now": bad}}, "$.context.now") for bad in ("", "now", "2026-02-05", "2026-02-05T10:00:00",
                                                              "2026-02-30T10:00:00Z", "2026-02-05T10:00:00Z\n")),
    ({"context": {"locale": "x" * 129}}, "$.context.locale"),
    ({"context": {"device": "a\x00"}}, "$.context.device"),
    ({"anchors": {"item_ids": ["a"] * 51}}, "$.anchors.item_ids"),
    ({"anchors": {"max_anchors": 0}}, "$.anchors.max_anchors"),
    ({"candidates": {"include_ids": ["a"] * 5001}}, "$.candidates.include_ids"),
    ({"candidates": {"exclude_ids": ["a"] * 5001}}, "$.candidates.exclude_ids"),
    ({"constraints": {"required_tags": ["a"] * 201}}, "$.constraints.required_tags"),
    ({"constraints": {"forbidden_tags": ["a"] * 201}}, "$.constraints.forbidden_tags"),
    ({"constraints": {"max_per_tag": {"red": 0}}}, "$.constraints.max_per_tag.red"),
    ({"constraints": {"max_per_tag": {f"t{n}": 1 for n in range(201)}}}, "$.constraints.max_per_tag"),
    ({"weights": {"pop": -0.1}}, "$.weights.pop"),
    ({"weights": {"cooc": 1e300}}, "$.weights.cooc"),
    ({"options": {"explain": "full"}}, "$.options.explain"),
    ({"experiment": {"id": " "}}, "$.experiment.id"),
    ({"experiment": {"id": "exp-1", "variant": "C"}}, "$.experiment.variant"),
    ({"experiment": {"id": "x" * 129}}, "$.experiment.id"),
]  # fmt: skip


@pytest.mark.parametrize(("extra", "path"), MEANING)
def test_what_cannot_be_meant(world, extra, path):
    """422 that names the field, what was found and what was expected; nothing is logged."""
    answer = world.post("/v1/recommend", FINE | extra, headers={"X-Request-Id": "refused-1"})
    found = problem(answer, 422, "RECSYS_UNPROCESSABLE_ENTITY")
    assert found["detail"].startswith(path)
    assert "expected" in found["detail"]
    assert "refused-1" not in [row["request_id"] for row in log_lines(world.logs)]
    same = problem(world.post("/v1/recommend/validate", FINE | extra), 422, "RECSYS_UNPROCESSABLE_ENTITY")
    assert same["detail"] == found["detail"]


def test_similar_is_checked_alike(world):
    """Surface, item and limits of ``/v1/similar``."""
    for body in ({"surface": "..", "item_id": "a"}, {"surface": "s", "item_id": ""},
                 {"surface": "s", "item_id": "a", "k": 0}):  # fmt: skip
        problem(world.post("/v1/similar", body), 422, "RECSYS_UNPROCESSABLE_ENTITY")
    problem(world.post("/v1/similar", {"surface": "s"}), 400, "RECSYS_INVALID_REQUEST")


def test_a_body_too_large(world):
    """413, whether the length is announced or comes in pieces."""
    problem(world.post("/v1/recommend", content=b" " * 200_001, headers=JSON), 413, "RECSYS_INVALID_REQUEST")

    def pieces():
        for _ in range(30):
            yield b" " * 10_000

    problem(world.post("/v1/recommend", content=pieces(), headers=JSON), 413, "RECSYS_INVALID_REQUEST")
    assert world.post("/v1/recommend", FINE).status_code == 200


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "ü"])
def test_another_content_type(world, kind):
    """415; JSON by another name, or without any, is taken."""
    body = json.dumps(FINE).encode()
    answer = world.post("/v1/recommend", content=body, headers={"Content-Type": kind.encode()})
    problem(answer, 415, "RECSYS_INVALID_REQUEST")
    for fine in ("application/json; charset=utf-8", "Application/JSON", "application/vnd.shop+json"):
        assert world.post("/v1/recommend", content=body, headers={"Content-Type": fine}).status_code == 200
    assert world.post("/v1/recommend", content=body).status_code == 200


PROTECTED = ["/v1/recommend", "/v1/recommend/validate", "/v1/similar", "/v1/outcomes"]


@pytest.mark.parametrize("path", PROTECTED)
def test_credentials(world, path):
    """No credential, a bad one, headers of development: 401 each, before the body is looked at."""
    problem(world.post(path, FINE, key=""), 401, "RECSYS_AUTH_REQUIRED")
    for bad in ("nope", "rs_" + "a" * 43, "x" * 5_000, "ü".encode()):
        answer = world.post(path, content=b"{", key="", headers={"X-API-Key": bad})
        found = problem(answer, 401, "RECSYS_AUTH_INVALID")
        assert answer.headers["www-authenticate"] == "ApiKey"
        assert str(bad) not in found["detail"]
    for both in ([world.key, "nope"], ["nope", world.key], [world.key, world.key]):
        twice = world.server.client.post(path, json=FINE, headers=[("X-API-Key", key) for key in both])
        assert "found 2 headers X-API-Key" in problem(twice, 401, "RECSYS_AUTH_INVALID")["detail"]
    developer = {"X-Dev-User-Id": "me", "X-Dev-Org-Id": "demo"}
    problem(world.post(path, FINE, key="", headers=developer), 401, "RECSYS_AUTH_REQUIRED")
    for orgs in (["other"], ["demo", "other"], ["other", "demo"], [""], ["Demo"]):
        named = [("X-API-Key", world.key), *(("X-Org-Id", org) for org in orgs)]
        answer = world.server.client.post(path, json=FINE, headers=named)
        problem(answer, 403, "RECSYS_TENANT_SCOPE_MISMATCH")


def test_a_browser_key_may_only_write_outcomes(world):
    """403 anywhere else; the scope header may confirm the tenant."""
    for path in PROTECTED[:3]:
        problem(world.post(path, FINE, key=world.browser_key), 403, "RECSYS_FORBIDDEN")
    event = {"request_id": "b", "user_id": "u", "item_id": "i", "event_type": "click", "ts": "2026-02-05T10:00:00Z"}
    assert world.post("/v1/outcomes", event, key=world.browser_key).status_code == 200
    assert world.post("/v1/recommend", FINE, headers={"X-Org-Id": "demo"}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/recommend/", "/v1/Recommend", "/v2/recommend", "/v1/%2e%2e/x", "/ü"])
def test_nothing_there(world, path):
    """404 as problem details."""
    answer = world.get(path)
    if path == "/v1/recommend/":
        assert answer.status_code in (404, 405)
    else:
        assert answer.status_code == 404
    assert answer.json()["code"] == "RECSYS_INVALID_REQUEST"
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/recommend", "POST"),
        ("PUT", "/v1/similar", "POST"),
        ("DELETE", "/v1/outcomes", "POST"),
        ("POST", "/livez", "GET"),
        ("PATCH", "/readyz", "GET"),
    ],
)
def test_another_method(world, method, path, allowed):
    """405, and which methods the path takes."""
    answer = world.server.client.request(method, path)
    problem(answer, 405, "RECSYS_INVALID_REQUEST")
    assert allowed in answer.headers["allow"]


def test_a_client_that_hangs_up(world):
    """A body that ends in the middle is nobody's error: nothing is logged of it."""
    address = urlsplit(world.server.url)
    head = f"POST /v1/recommend HTTP/1.1\r\nHost: x\r\nX-API-Key: {world.key}\r\nContent-Length: 100\r\n"
    with socket.create_connection((address.hostname, address.port), timeout=5) as wire:
        wire.sendall(f'{head}X-Request-Id: gone-1\r\n\r\n{{"sur'.encode())
    assert world.get("/livez").status_code == 200
    assert "gone-1" not in [row["request_id"] for row in log_lines(world.logs)]
    assert "ERROR" not in world.server.said


def test_junk_on_the_wire(world):
    """What is no HTTP ends the connection, not the service."""
    address = urlsplit(world.server.url)
    for junk in (b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                 b"POST /v1/recommend HTTP/1.1\r\nHost: x\r\nX-API-Key: a\x00b\r\n\r\n"):  # fmt: skip
        with socket.create_connection((address.hostname, address.port), timeout=5) as wire:
            wire.sendall(junk)
            wire.shutdown(socket.SHUT_WR)
            assert b" 5" not in wire.recv(4096)[:16]
    assert world.get("/livez").status_code == 200
