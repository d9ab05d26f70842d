"""A running service sees what commands change, and keeps tenants apart."""

import json
import time

import pytest

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
