"""The document tells the truth about the live service, and its page stands alone."""

import json
import os
import subprocess
import sys

import jsonschema
import pytest
from jsonschema import Draft202012Validator
from playwright.sync_api import sync_playwright

from recsys.service.http import openapi
from recsys.service.http.routes import ROUTES
from service_world import SALT, Server

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def document(world):
    answer = world.get("/openapi.json", key="")
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


def test_the_document_is_the_live_routes(world, document):
    """Each described operation is served; nothing else is, but the document and its page."""
    described = {(method, path) for path, methods in document["paths"].items() for method in methods}
    assert described == {(route.method.lower(), route.path) for route in ROUTES}
    for method, path in described:
        answer = world.server.client.request(method, path)
        assert answer.status_code not in (404, 405, 500)
    for path in (*document["paths"], "/docs", "/openapi.json"):
        for method in METHODS:
            if (method, path) not in described and not (method == "get" and path in ("/docs", "/openapi.json")):
                assert world.server.client.request(method, path).status_code == 405
    for path in ("/schema", "/schema/openapi.json", "/redoc", "/swagger", "/metrics.json"):
        assert world.get(path).status_code == 404


def test_the_document_is_openapi_3_1(document):
    """By the rules of the specification that matter to generators; every reference leads somewhere."""
    assert document["openapi"] == "3.1.0"
    text = json.dumps(document)
    for reference in {part.split('"')[0] for part in text.split('"$ref": "')[1:]}:
        assert reference.startswith("#/components/schemas/")
        assert reference.rsplit("/", 1)[1] in document["components"]["schemas"]
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        assert operation["summary"]
        for response in operation["responses"].values():
            assert response["description"]
            for content in response["content"].values():
                Draft202012Validator.check_schema(content["schema"])


def test_the_limits_are_in_the_document(document):
    """What the service enforces is what a generated client reads."""
    schemas = document["components"]["schemas"]
    request = schemas["RecommendRequest"]
    assert request["additionalProperties"] is False
    assert request["required"] == ["surface"]
    outcomes = schemas["OutcomeBatch"]["properties"]["outcomes"]
    assert (outcomes["maxItems"], outcomes["items"]) == (1000, {"$ref": "#/components/schemas/Outcome"})
    text = json.dumps(request["properties"]["k"])
    assert '"minimum": 1' in text
    assert '"maximum": 200' in text


@pytest.mark.parametrize(
    "extra",
    [
        {"k": 0}, {"k": 201}, {"surface": ""}, {"surface": "x" * 129}, {"segment": ""}, {"segment": "x" * 129},
        {"user": {"user_id": "u" * 513}}, {"context": {"locale": "x" * 129}}, {"anchors": {"item_ids": ["a"] * 51}},
        {"anchors": {"max_anchors": 0}}, {"anchors": {"max_anchors": 51}},
        {"candidates": {"include_ids": ["a"] * 5001}},
        {"constraints": {"required_tags": ["a"] * 201}}, {"constraints": {"max_per_tag": {"a": 0}}},
        {"weights": {"pop": -1}}, {"weights": {"cooc": 1e7}}, {"experiment": {"id": ""}},
        {"experiment": {"id": "exp-1", "variant": "x" * 129}}, {"options": {"explain": "all"}}, {"unknown": 1},
    ],
)  # fmt: skip
def test_limits_that_are_enforced_are_described(world, document, extra):
    """A generated client finds out before it sends: what is refused for its size is invalid by the document too."""
    sent = {"surface": "home", "user": {"user_id": "u"}} | extra
    assert world.post("/v1/recommend", sent).status_code in (400, 422)
    schema = {"$ref": "#/components/schemas/RecommendRequest", "components": document["components"]}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(sent, schema)


def test_answers_are_as_described(world, document):
    """Real answers, good and bad, hold against the schemas of the document."""
    body = {"surface": "home", "user": {"user_id": "u"}, "options": {"include_reasons": True}}
    calls = [
        ("/v1/recommend", body), ("/v1/recommend/validate", body), ("/v1/similar", {"surface": "s", "item_id": "i"}),
        ("/v1/outcomes", {"outcomes": [{}]}), ("/v1/recommend", {}), ("/v1/similar", {"surface": "", "item_id": "i"}),
    ]  # fmt: skip
    for path, sent in calls:
        answer = world.post(path, sent)
        response = document["paths"][path]["post"]["responses"][str(answer.status_code)]
        schema = response["content"][answer.headers["content-type"]]["schema"]
        jsonschema.validate(answer.json(), {**schema, "components": document["components"]})


def test_the_document_is_the_same_each_time():
    """So that it can be compared between releases."""
    assert json.dumps(openapi.document()) == json.dumps(openapi.document())


FUZZ = [
    "-m", "schemathesis.cli", "run", "{url}/openapi.json", "--max-examples", "{examples}", "--seed", "1",
    "--generation-deterministic", "--suppress-health-check", "all", "--request-timeout", "10",
    "--phases", "examples,coverage,fuzzing", "--no-color", "--header", "X-API-Key: {key}",
    "--checks", ",".join(("not_a_server_error", "status_code_conformance", "content_type_conformance",
                          "response_schema_conformance", "response_headers_conformance")),
]  # fmt: skip


def fuzz(world, tmp_path, examples: int) -> None:
    words = [word.format(url=world.server.url, key=world.key, examples=examples) for word in FUZZ]
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, timeout=250, check=False, cwd=tmp_path,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_whatever_is_sent_the_service_keeps_to_its_document(world, tmp_path):
    """Schemathesis: generated requests, good and bad: no 5xx, and no answer that the document does not tell of."""
    fuzz(world, tmp_path, 10)


@pytest.mark.long
def test_whatever_is_sent_for_longer(world, tmp_path):
    """The same with more requests."""
    fuzz(world, tmp_path, 50)


def test_the_page(world, chromium, artifacts_dir):
    """It loads in a browser without a word on the console and without asking anybody else."""
    told, asked = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("console", lambda message: told.append(message.text))
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        answer = page.goto(f"{world.server.url}/docs")
        assert answer is not None
        assert answer.status == 200
        for route in ROUTES:
            assert page.get_by_role("heading", name=f"{route.method} {route.path}", exact=True).is_visible()
        page.screenshot(path=artifacts_dir / "service-docs.png", full_page=True)
        broken = page.eval_on_selector_all(
            "a[href^='#']", "links => links.map(a => a.hash.slice(1)).filter(id => !document.getElementById(id))"
        )
        page.set_viewport_size({"width": 380, "height": 800})
        wide = page.evaluate("document.documentElement.scrollWidth")
        browser.close()
    assert told == []
    assert [url for url in asked if not url.startswith(world.server.url)] == []
    assert broken == []
    assert wide <= 380


def test_production_serves_no_page(make_database, tmp_path):
    """The document stays; the page is for development."""
    server = Server({
        "ENV": "production", "DATABASE_URL": make_database(), "MIGRATE_ON_START": "true",
        "EXPOSURE_HASH_SALT": "5f0c9c1d8e7a4b2f9d3e6a1c0b8f7e2d", "RECSYS_DATA_DIR": str(tmp_path),
        "EXPOSURE_LOG_PATH": f"{tmp_path}/logs/", "OUTCOME_LOG_PATH": f"{tmp_path}/logs/",
    })  # fmt: skip
    try:
        assert server.client.get("/docs").status_code == 404
        assert server.client.get("/openapi.json").status_code == 200
        assert SALT not in server.said
    finally:
        assert server.stop() == 0
