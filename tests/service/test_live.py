"""A running service sees what commands change, and keeps tenants apart."""

import json
import threading
import time

import httpx
import pytest

from ranking_worlds import tenant_data
from recsys.errors import StorageError
from recsys.service import tenants
from recsys.service.tenants import Identity, Listing
from service_world import cli, log_lines, one, write_shop


def wait(true, seconds=15):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def on_both_workers(true):
    """The client keeps its connection: ask until ten answers in a row, on new connections too, agree."""
    wait(lambda: all(true() for _ in range(10)))


@pytest.fixture(scope="module")
def changing(make_world):
    """A service whose data these tests change."""
    return make_world(EXPERIMENT_ASSIGNMENT_ENABLED="true", EXPERIMENT_ASSIGNMENT_SALT="salt")


BODY = {"surface": "home", "k": 20, "user": {"user_id": "user-1"}}


def test_tenants_are_apart(world):
    """Each key has its own catalogue, configuration and context, whatever its headers say."""
    mine = world.post("/v1/recommend", BODY, headers={"X-Request-Id": "apart-1"}).json()
    other = world.post("/v1/recommend", BODY, key=world.other_key, headers={"X-Request-Id": "apart-2"}).json()
    assert {item["item_id"] for item in other["items"]} == {"x1", "x2", "x3"}
    assert not {item["item_id"] for item in mine["items"]} & {"x1", "x2", "x3"}
    assert mine["meta"]["release"] != other["meta"]["release"]
    assert other["meta"]["config_version"] == "c0-default"
    assert one(log_lines(world.logs), "apart-1")["tenant_id"] == "demo"
    assert one(log_lines(world.logs), "apart-2")["tenant_id"] == "other"
    reaching = world.post("/v1/recommend", BODY | {"candidates": {"include_ids": ["x1"]}}).json()
    assert reaching["items"] == []
    assert world.get("/health/detailed", key=world.other_key).json()["tenant"]["items"] == 3
    experiment = BODY | {"experiment": {"id": "exp-1"}}
    assert world.post("/v1/recommend", experiment, key=world.other_key).status_code == 200  # default variants
    own = world.post("/v1/recommend", BODY | {"k": 51})
    assert own.status_code == 422
    assert world.post("/v1/recommend", BODY | {"k": 51}, key=world.other_key).status_code == 200


def test_an_import_is_picked_up(changing, tmp_path):
    """New items are served within seconds, under a new release; other tenants keep theirs."""
    before = changing.recommend()["meta"]["release"]
    other = changing.post("/v1/recommend", BODY, key=changing.other_key).json()["meta"]["release"]
    items, _ = write_shop(tmp_path, {"fresh-1": ["fresh"]}, [])
    assert cli("import", "items", items, "--tenant", "demo", env=changing.env).status == 0
    fresh = {"constraints": {"required_tags": ["fresh"]}}
    on_both_workers(lambda: [item["item_id"] for item in changing.recommend(**fresh)["items"]] == ["fresh-1"])
    assert changing.recommend()["meta"]["release"] != before
    assert changing.post("/v1/recommend", BODY, key=changing.other_key).json()["meta"]["release"] == other


def test_a_release_is_one_list_while_data_changes(changing, tmp_path):
    """Requests that run into an import are served from before or after it, never from between."""
    lists: dict[str, set[str]] = {}
    done = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=changing.server.url, headers={"X-API-Key": changing.key}) as client:
            while not done.is_set():
                answer = client.post("/v1/recommend", json=BODY).json()
                lists.setdefault(answer["meta"]["release"], set()).add(json.dumps(answer["items"]))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    [thread.start() for thread in threads]
    try:
        for number in range(4):
            _, events = write_shop(tmp_path, {}, [(f"late-{n}", "item-07", 1_771_000_000 + number) for n in range(50)])
            assert cli("import", "events", events, "--tenant", "demo", env=changing.env).status == 0
            before = len(lists)
            wait(lambda before=before: len(lists) > before)
    finally:
        done.set()
        [thread.join() for thread in threads]
    assert len(lists) >= 4
    assert {len(found) for found in lists.values()} == {1}


def test_a_configuration_is_picked_up(changing, tmp_path):
    """Limits, weights and variants change at run time; the list says which version it was made of."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"limits": {"max_k": 3}, "experiments": {"new": {"variants": {"only": {}}}}}))
    done = cli("config", "set", "demo", path, env=changing.env)
    version = done.out.rsplit("(", 1)[1].rstrip(")\n")
    on_both_workers(lambda: changing.recommend(k=3)["meta"]["config_version"] == version)
    assert changing.post("/v1/recommend", BODY).status_code == 422
    answer = changing.recommend(k=3, experiment={"id": "new"})
    assert answer["meta"]["experiment"] == {"id": "new", "variant": "only"}
    short = changing.post("/v1/recommend", {"surface": "home", "user": {"user_id": "u"}}).json()
    assert (len(short["items"]), {"code": "DEFAULT_APPLIED", "detail": "k: 3"} in short["warnings"]) == (3, True)


def test_keys_come_and_go(changing):
    """A new key works within seconds; a revoked one is refused as one that never was."""
    made = cli("key", "create", "--tenant", "demo", env=changing.env)
    key, key_id = made.out.strip(), made.err.split("key ")[1].split()[0]
    wait(lambda: changing.post("/v1/recommend", BODY | {"k": 2}, key=key).status_code == 200)
    assert cli("key", "revoke", key_id, env=changing.env).status == 0
    wait(lambda: changing.post("/v1/recommend", BODY | {"k": 2}, key=key).status_code == 401)
    refused = changing.post("/v1/recommend", BODY | {"k": 2}, key=key)
    assert refused.json()["code"] == "RECSYS_AUTH_INVALID"


def test_a_new_tenant_is_served_even_without_data(changing):
    """An empty catalogue gives an empty list, logged like any other."""
    assert cli("tenant", "create", "empty", env=changing.env).status == 0
    key = cli("key", "create", "--tenant", "empty", env=changing.env).out.strip()
    wait(lambda: changing.post("/v1/recommend", BODY, key=key).status_code == 200)
    answer = changing.post("/v1/recommend", BODY, key=key, headers={"X-Request-Id": "empty-1"}).json()
    assert answer["items"] == []
    assert answer["meta"]["counts"] == {"candidates": 0, "filtered": 0, "returned": 0}
    assert one(log_lines(changing.logs), "empty-1")["items"] == []
    similar = changing.post("/v1/similar", {"surface": "s", "item_id": "x"}, key=key)
    assert (similar.status_code, similar.json()["items"]) == (200, [])
    assert changing.get("/readyz").status_code == 200


def test_a_refresh_that_fails_keeps_what_there_was():
    """Whatever happens while reading: the old world serves on, and the failure is remembered until it is over."""
    registry = tenants.Registry()
    assert registry.reasons_not_ready() == ["tenants and keys are not loaded from the database"]

    def fails(error):
        def read():
            raise error

        return read

    registry.refresh(fails(StorageError("gone")), lambda tenant: tenant_data({}, [], tenant=tenant))
    assert registry.reasons_not_ready()[1:] == ["gone"]
    listing = Listing({"digest": Identity("a", "viewer")}, {"a": 1, "b": 1})
    registry.refresh(lambda: listing, lambda tenant: tenant_data({"x": ()}, [], tenant=tenant))
    world = registry.world
    assert (sorted(world.tenants), registry.failures, registry.reasons_not_ready()) == (["a", "b"], (), [])
    for error in (StorageError("gone"), ValueError("secret detail")):
        registry.refresh(fails(error), lambda tenant: tenant_data({}, [], tenant=tenant))
        assert registry.world is world
        assert len(registry.failures) == 1
        assert "secret" not in registry.failures[0]
        assert registry.reasons_not_ready() == []


def test_one_bad_tenant_does_not_hold_up_the_others():
    """It keeps its old snapshot; one that never had any makes the worker not ready, without naming it."""
    registry = tenants.Registry()

    def load(tenant):
        if tenant == "bad":
            raise KeyError("bad data")
        return tenant_data({"x": ()}, [], tenant=tenant, revision=revision)

    revision = 1
    registry.refresh(lambda: Listing({}, {"bad": 1, "good": 1}), load)
    assert list(registry.world.tenants) == ["good"]
    assert registry.reasons_not_ready() == ["the snapshot of 1 tenants is not loaded"]
    kept = registry.world.tenants["good"]
    registry.refresh(lambda: Listing({}, {"good": 1}), load)
    assert registry.world.tenants["good"] is kept
    assert registry.reasons_not_ready() == []
    revision = 2
    registry.refresh(lambda: Listing({}, {"good": 2}), load)
    assert registry.world.tenants["good"] is not kept
    assert registry.world.tenants["good"].versions == kept.versions
    registry.refresh(lambda: Listing({}, {}), load)
    assert registry.world.tenants == {}


def test_only_the_tenant_that_cannot_be_built_may_be_stale():
    """A newer revision that cannot be built concerns its tenant; a database that cannot be read concerns all."""
    registry, broken = tenants.Registry(), False

    def load(tenant):
        if broken and tenant == "a":
            raise KeyError("bad data")
        return tenant_data({"x": ()}, [], tenant=tenant)

    def stale():
        return [name for name in ("a", "b") if registry.may_be_stale(name)]

    def gone():
        raise StorageError("gone")

    registry.refresh(lambda: Listing({}, {"a": 1, "b": 1}), load)
    assert stale() == []
    broken = True
    registry.refresh(lambda: Listing({}, {"a": 2, "b": 2}), load)
    assert stale() == ["a"]
    registry.refresh(gone, load)
    assert stale() == ["a", "b"]
    broken = False
    registry.refresh(lambda: Listing({}, {"a": 2, "b": 2}), load)
    assert stale() == []
