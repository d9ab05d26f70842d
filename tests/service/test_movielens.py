"""Real data from 1998, imported under its own column names and served."""

import re

import httpx
import pytest

from service_world import SALT, Server, cli, environment, log_lines

ITEM_COLUMNS = ("item_id:token=item_id", "class:token_seq=tags", "movie_title:token_seq=title")
EVENT_COLUMNS = ("user_id:token=user_id", "item_id:token=item_id", "timestamp:float=ts", "rating:float=value")


@pytest.fixture(scope="module")
def movies(real_data, make_database, tmp_path_factory):
    """A service with MovieLens 100K; (server, key, folder of logs)."""
    folder, data = tmp_path_factory.mktemp("movies"), real_data("ml_100k")
    env = environment(DATABASE_URL=make_database(), EXPOSURE_HASH_SALT=SALT, RECSYS_DATA_DIR=str(folder))
    aside = ("--aside", folder / "bad.jsonl")

    def run(*words) -> str:
        done = cli(*words, env=env)
        assert done.status == 0, done.err
        return done.out

    run("migrate")
    run("tenant", "create", "ml")
    mapped = [word for pair in ITEM_COLUMNS for word in ("--map", pair)]
    assert "1,682 items stored" in run("import", "items", data / "ml-100k.item", "--tenant", "ml", *mapped, *aside)
    mapped = [word for pair in EVENT_COLUMNS for word in ("--map", pair)] + ["--set", "event_type=rating"]
    assert "100,000 events stored" in run("import", "events", data / "ml-100k.inter", "--tenant", "ml", *mapped, *aside)
    key = run("key", "create", "--tenant", "ml").strip()
    server = Server(env | {"EXPOSURE_LOG_PATH": f"{folder}/logs/", "OUTCOME_LOG_PATH": f"{folder}/logs/"}, 2)
    yield server, key, folder / "logs"
    assert server.stop() == 0


def test_lists_are_full_though_the_events_are_old(movies):
    """The newest event is the clock: signals speak, and k items come back on every page."""
    server, key, logs = movies
    for user in ("196", "1", "a stranger"):
        body = {"surface": "home", "segment": "x", "k": 50, "user": {"user_id": user}}
        body |= {"options": {"include_reasons": True}}
        answer = server.client.post("/v1/recommend", json=body, headers={"X-API-Key": key}).json()
        assert len(answer["items"]) == 50
        assert all("recent_popularity" in item["reasons"] for item in answer["items"])
        assert len({item["score"] for item in answer["items"]}) > 10
        assert answer["meta"]["counts"]["candidates"] == 1682
    similar = {"surface": "item_page", "segment": "x", "item_id": "50", "k": 20}
    answer = server.client.post("/v1/similar", json=similar, headers={"X-API-Key": key}).json()
    assert len(answer["items"]) == 20
    assert answer["warnings"] == []
    assert "181" in [item["item_id"] for item in answer["items"]]  # Star Wars, and Return of the Jedi
    assert len(log_lines(logs)) == 4


def test_tags_of_the_file_filter(movies):
    """Genres are tags."""
    server, key, _ = movies
    body = {"surface": "home", "k": 200, "user": {"user_id": "1"}, "constraints": {"required_tags": ["film-noir"]}}
    answer = server.client.post("/v1/recommend", json=body, headers={"X-API-Key": key}).json()
    assert len(answer["items"]) == 24


def test_every_worker_and_every_time_the_same_bytes(movies):
    """New connections reach either worker; the lists never differ."""
    server, key, _ = movies
    for path, body in (
        ("/v1/recommend", {"surface": "home", "k": 200, "user": {"user_id": "196"}}),
        ("/v1/similar", {"surface": "home", "k": 200, "item_id": "50"}),
    ):
        lists = set()
        for _ in range(12):
            answer = httpx.post(f"{server.url}{path}", json=body, headers={"X-API-Key": key})
            lists.add(re.sub(r',"meta":.*', "", answer.text))
        assert len(lists) == 1
