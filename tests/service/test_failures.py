"""When something breaks: lists go on, and whatever is missing is told, in the answer, in health and in the log."""

import asyncio
import errno
import json
import os
import time
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import psycopg
import pytest

from ranking_worlds import tenant_data
from recsys.contracts import config as configs
from recsys.eventlog.writing import index as indexes
from recsys.eventlog.writing.writer import LogSettings, LogWriter
from recsys.service import tenants
from recsys.service.http import server
from recsys.service.http.handlers import Handlers
from recsys.service.logs import Logs
from recsys.service.outcomes import Collector
from recsys.service.recommend import Assignments, Recommender
from recsys.service.signals.snapshot import build
from recsys.service.tenants import Identity, Tenant, World
from service_world import CONFIG, EVENTS, ITEMS, log_lines, one

BODY = {"surface": "home", "k": 3, "user": {"user_id": "secret-user"}, "segment": "new",
        "context": {"locale": "de"}, "experiment": {"id": "exp-1", "variant": "B"}}  # fmt: skip
CLICK = {"request_id": "r", "user_id": "u", "item_id": "i", "event_type": "click", "ts": "2026-02-05T10:00:00Z"}
DEVELOPER = {"X-Dev-User-Id": "me", "X-Dev-Org-Id": "t"}


class Broken:
    """A snapshot that cannot rank."""

    def __init__(self, snapshot):
        self._snapshot = snapshot

    def __getattr__(self, name):
        return getattr(self._snapshot, name)

    def rank(self, query):
        raise ZeroDivisionError("the cause, with /secret/path")


def handlers(folder, *, broken=False, exposure=None, assignment=None) -> Handlers:
    """The handlers of one tenant, without a database."""
    data = tenant_data(ITEMS, [(user, item, ts * 1_000_000) for user, item, ts in EVENTS])
    tenant = Tenant.of(build(replace(data, config=configs.parse(json.dumps(CONFIG).encode()))))
    if broken:
        tenant = replace(tenant, snapshot=Broken(tenant.snapshot))  # type: ignore[arg-type]
    registry = tenants.Registry()
    registry.world = World({"0" * 64: Identity("t", "viewer")}, {"t": tenant}, frozenset({"t", "loading"}))
    exposure = exposure or LogWriter(LogSettings(path=f"{folder}/exposures.jsonl"), log="exposure", writer="w")
    assignment = assignment or LogWriter(LogSettings(path=f"{folder}/assignments.jsonl"), log="assignment", writer="w")
    logs = Logs(exposure=exposure, outcome=None, assignment=assignment)
    return Handlers(
        registry=registry, recommender=Recommender(logs, b"salt", Assignments(salt=b"salt")),
        collector=Collector(logs, b"salt"), logs=logs, dev_auth=True, started=time.monotonic(),
    )  # fmt: skip


def ask(made: Handlers, path="/v1/recommend", body=None, headers=DEVELOPER) -> httpx.Response:
    """One request to an application of these handlers, in this process."""

    @asynccontextmanager
    async def living():
        made.logs.open()
        yield
        made.logs.close()

    async def go() -> httpx.Response:
        app = server.build(made, lifespan=living, max_body_bytes=10_000, docs=False)
        transport = httpx.ASGITransport(app=app)
        async with living(), httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.post(path, json=body or BODY, headers=headers | {"X-Request-Id": "asked"})

    return asyncio.run(go())


@pytest.mark.parametrize("path", ["/v1/recommend", "/v1/similar"])
def test_an_internal_error_is_an_error_exposure(tmp_path, caplog, path):
    """500 without the cause, the cause in the service's log, and an exposure that error rates of experiments count."""
    body = BODY if path == "/v1/recommend" else {"surface": "home", "item_id": "item-01", "user": {"user_id": "u"}}
    answer = ask(handlers(tmp_path, broken=True), path, body)
    assert (answer.status_code, answer.json()["code"]) == (500, "RECSYS_INTERNAL")
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == "asked"
    assert "ZeroDivision" not in answer.text
    assert "secret" not in answer.text
    assert "ZeroDivisionError: the cause" in caplog.text
    assert "asked" in caplog.text
    row = one(log_lines(tmp_path / "exposures.jsonl"), "asked")
    assert (row["items"], row["error"], row["surface"]) == ([], True, "home")
    assert row["release"].startswith("r-")
    assert len(row["subject"]["user_id_hash"]) == 64
    if path == "/v1/recommend":
        assert row["experiment"] == {"id": "exp-1", "variant": "B"}
        assert row["context"] == {"locale": "de"}
        assert row["segment"] == "new"


class Full:
    """The functions of ``os``, on a disk that is full."""

    def __getattr__(self, name):
        return getattr(os, name)

    def write(self, fd, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def full_log(folder, log="assignment", on_error="serve") -> LogWriter:
    """A writer to a full disk."""
    settings = LogSettings(path=f"{folder}/{log}s.jsonl", on_error=on_error)
    return LogWriter(settings, log=log, writer="w", files=Full())


def test_an_assignment_that_is_not_written_does_not_hide_the_exposure(tmp_path):
    """The exposure is in the log, so the answer says so; the missing line is told by name."""

    answer = ask(handlers(tmp_path, assignment=full_log(tmp_path)))
    assert answer.status_code == 200
    assert one(log_lines(tmp_path / "exposures.jsonl"), "asked")["experiment"]["variant"] == "B"
    assert answer.json()["meta"]["exposure"]["logged"] is True
    (warning,) = answer.json()["warnings"]
    assert "the assignment log cannot be written" in warning["detail"]


def test_a_full_disk_flags_or_refuses_as_asked(tmp_path):
    """ON_ERROR=serve: 200, flagged; fail: 503 and no list; both count in the gap, each as what it was."""
    for on_error, kind in (("serve", "lost"), ("fail", "refused")):
        folder = tmp_path / on_error
        made = handlers(folder, exposure=full_log(folder, "exposure", on_error))
        answer = ask(made)
        if on_error == "serve":
            assert answer.status_code == 200
            assert answer.json()["meta"]["exposure"] == {"logged": False, "durable": False}
            assert [warning["code"] for warning in answer.json()["warnings"]] == ["EXPOSURE_NOT_LOGGED"]
        else:
            assert (answer.status_code, answer.json()["code"]) == (503, "RECSYS_EXPOSURE_NOT_LOGGED")
            assert answer.headers["retry-after"] == "5"
            assert "items" not in answer.json()
        (index,) = folder.glob("exposures.jsonl.*.index")
        (gap,) = indexes.read(index).of(indexes.Gap)
        assert {"lost": gap.lost, "refused": gap.refused} == {"lost": 0, "refused": 0} | {kind: 1}
        assert "No space" in gap.reason
        assert (folder / "exposures.jsonl").read_bytes() == b""


def test_a_refused_assignment_leaves_the_exposure_of_a_failed_request(tmp_path):
    """With ASSIGNMENT_LOG_ON_ERROR=fail nobody sees the list, so the log does not say that anybody did."""
    answer = ask(handlers(tmp_path, assignment=full_log(tmp_path, on_error="fail")))
    assert (answer.status_code, answer.json()["code"]) == (503, "RECSYS_EXPOSURE_NOT_LOGGED")
    row = one(log_lines(tmp_path / "exposures.jsonl"), "asked")
    assert (row["items"], row["error"]) == ([], True)


def test_a_tenant_that_is_not_loaded_yet(tmp_path):
    """503 with a time to come back; an unknown tenant is 404."""
    answer = ask(handlers(tmp_path), headers=DEVELOPER | {"X-Dev-Org-Id": "loading"})
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "RECSYS_OVERLOADED", "1")
    answer = ask(handlers(tmp_path), headers=DEVELOPER | {"X-Dev-Org-Id": "nobody"})
    assert (answer.status_code, answer.json()["code"]) == (404, "RECSYS_TENANT_NOT_FOUND")
    answer = ask(handlers(tmp_path), headers={"X-Dev-User-Id": "me"})
    assert (answer.status_code, answer.json()["code"]) == (403, "RECSYS_TENANT_SCOPE_REQUIRED")


@pytest.fixture(scope="module")
def developing(make_world, tmp_path_factory):
    """A service of one worker that trusts developers and logs to single files."""
    folder = tmp_path_factory.mktemp("single")
    made = make_world(DEV_AUTH_ENABLED="true", EXPOSURE_LOG_PATH=str(folder / "exposures.jsonl"),
                      OUTCOME_LOG_PATH=str(folder / "outcomes.jsonl"), ASSIGNMENT_LOG_PATH="")  # fmt: skip
    made.logs = folder
    return made


def test_developers_are_trusted_where_that_is_on(developing):
    """The headers name the tenant; a key still counts first."""
    body = {"surface": "home", "user": {"user_id": "u"}}
    developer = {"X-Dev-User-Id": "me", "X-Dev-Org-Id": "other"}
    answer = developing.post("/v1/recommend", body, key="", headers=developer)
    assert answer.json()["meta"]["tenant_id"] == "other"
    assert developing.post("/v1/recommend", body, headers=developer).json()["meta"]["tenant_id"] == "demo"
    assert developing.post("/v1/recommend", body, key="nope", headers=developer).status_code == 401


def wait(true, seconds=10):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_logs_that_cannot_be_written(developing):
    """Lists are served and say logged: false, outcomes are sent again; not ready; and whole again without a restart,
    even without a request."""
    assert developing.get("/readyz").status_code == 200
    assert developing.recommend()["meta"]["exposure"]["logged"] is True
    paths = [developing.logs / "exposures.jsonl", developing.logs / "outcomes.jsonl"]
    for path in paths:
        path.rename(path.with_suffix(".old"))
        path.mkdir()
    time.sleep(1.1)  # the writer looks once a second whether its file is still there
    answer = developing.recommend(segment="x")
    assert len(answer["items"]) == 5
    assert answer["meta"]["exposure"] == {"logged": False, "durable": False}
    assert [warning["code"] for warning in answer["warnings"]] == ["EXPOSURE_NOT_LOGGED"]
    assert str(developing.logs) not in json.dumps(answer)
    refused = developing.post("/v1/outcomes", CLICK)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
    assert str(developing.logs) not in refused.text
    ready = developing.get("/readyz")
    told = [f"the {log} log cannot be written" for log in ("exposure", "outcome")]
    assert (ready.status_code, ready.json()["reasons"]) == (503, told)
    assert developing.get("/livez").status_code == 200
    health = developing.get("/health/detailed").json()
    assert (health["status"], health["reasons"]) == ("unavailable", told)
    assert [log["writable"] for log in health["logs"] if log["enabled"]] == [False, False]
    assert all(reason in developing.server.said for reason in told)
    for path in paths:
        path.rmdir()
    wait(lambda: developing.get("/readyz").status_code == 200)
    assert developing.post("/v1/outcomes", CLICK).json()["results"] == [{"index": 0, "status": "accepted"}]
    answer = developing.recommend()
    assert answer["meta"]["exposure"]["logged"] is True
    assert one(log_lines(paths[0]), answer["meta"]["request_id"])
    wait(lambda: developing.server.said.count("log is written again") == 2)


def test_the_database_goes_away(developing, postgres):
    """Lists go on from memory, health says that they may be stale, and all is well when it is back."""
    name = developing.env["DATABASE_URL"].partition("?")[0].rsplit("/", 1)[1]
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        before = developing.recommend()["items"]
        wait(lambda: developing.get("/health/detailed").json()["status"] == "unavailable")
        reasons = developing.get("/health/detailed").json()["reasons"]
        assert any("the last refresh failed, snapshots may be stale" in reason for reason in reasons)
        answer = developing.recommend()
        assert answer["items"] == before
        assert answer["warnings"][-1]["code"] == "STALE_SNAPSHOT"
        assert developing.get("/readyz").status_code == 200
        assert developing.get("/livez").status_code == 200
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    wait(lambda: developing.get("/health/detailed").json()["status"] == "ok")
    assert "STALE_SNAPSHOT" not in [warning["code"] for warning in developing.recommend()["warnings"]]
    assert "refresh:" in developing.server.said
