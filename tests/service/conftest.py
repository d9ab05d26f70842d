"""One embedded PostgreSQL for all of these tests, a database for each who asks, and services on top of it."""

import itertools
import json
import shutil
from pathlib import Path

import psycopg
import pytest

import broken_service
from recsys.service.store import embedded
from service_world import CONFIG, SALT, Server, cli, environment, public_folder, write_shop


@pytest.fixture(scope="session")
def public():
    """A folder that every user may enter."""
    folder = public_folder()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(public):
    """The URL of a running PostgreSQL."""
    with embedded.running(public / "data") as url:
        with psycopg.connect(url, autocommit=True) as connection:  # nobody needs these databases after a power cut
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        yield url


@pytest.fixture(scope="session")
def make_database(postgres):
    """A function that makes an empty database and returns its URL."""
    numbers = itertools.count(1)

    def make() -> str:
        name = f"test_{next(numbers)}"
        with psycopg.connect(postgres, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
        return postgres.replace("/postgres?", f"/{name}?")

    return make


@pytest.fixture(scope="module")
def env(make_database, tmp_path_factory):
    """Settings of commands on a migrated database of the module's own."""
    folder = tmp_path_factory.mktemp("settings")
    made = environment(
        DATABASE_URL=make_database(), EXPOSURE_HASH_SALT=SALT, RECSYS_DATA_DIR=str(folder), ENV="development"
    )
    assert cli("migrate", env=made).status == 0
    return made


def fill(env: dict[str, str], folder: Path, tenant: str, items=None, events=None) -> str:
    """Make a tenant with the shop's data; returns the secret of a key."""
    catalogue, past = write_shop(folder, items, events)
    for words in (
        ("tenant", "create", tenant),
        ("import", "items", catalogue, "--tenant", tenant),
        ("import", "events", past, "--tenant", tenant),
    ):
        done = cli(*words, env=env)
        assert done.status == 0, done.err
    return cli("key", "create", "--tenant", tenant, env=env).out.strip()


class World:
    """A service with two tenants: demo, with a configuration, and other, with three items of its own."""

    def __init__(
        self,
        database: str,
        folder: Path,
        workers: int,
        *,
        broken: str | None = None,
        within: tuple[str, ...] = (),
        **settings: str,
    ) -> None:
        self.folder = folder
        self.logs = folder / "logs"
        self.env = environment(DATABASE_URL=database, EXPOSURE_HASH_SALT=SALT, RECSYS_DATA_DIR=str(folder / "data"))
        assert cli("migrate", env=self.env).status == 0
        self.key = fill(self.env, folder, "demo")
        self.other_key = fill(self.env, folder, "other", {"x1": [], "x2": [], "x3": []}, [("u", "x1", 1_700_000_000)])
        self.browser_key = cli("key", "create", "--tenant", "demo", "--role", "browser", env=self.env).out.strip()
        (folder / "config.json").write_text(json.dumps(CONFIG))
        assert cli("config", "set", "demo", folder / "config.json", env=self.env).status == 0
        logs = {f"{log}_LOG_PATH": f"{self.logs}/" for log in ("EXPOSURE", "OUTCOME", "ASSIGNMENT")}
        if broken is not None:
            settings["PYTHONPATH"] = broken_service.python_path(broken)
        self.server = Server(self.env | logs | {"RECSYS_SNAPSHOT_REFRESH": "0.2"} | settings, workers, within)

    def post(self, path: str, body=None, *, key: str | None = None, headers=None, **more):
        """POST as tenant demo, unless another ``key`` is given ("" for none)."""
        key = self.key if key is None else key
        sent = ({"X-API-Key": key} if key else {}) | (headers or {})
        if body is not None:
            more["json"] = body
        return self.server.client.post(path, headers=sent, **more)

    def get(self, path: str, *, key: str | None = None, headers=None):
        """GET as tenant demo, unless another ``key`` is given ("" for none)."""
        key = self.key if key is None else key
        return self.server.client.get(path, headers=({"X-API-Key": key} if key else {}) | (headers or {}))

    def recommend(self, **fields):
        """The answer (200) for a user on the home surface, with ``fields`` over that."""
        answer = self.post("/v1/recommend", {"surface": "home", "k": 5, "user": {"user_id": "user-1"}} | fields)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="session")
def world(make_database, tmp_path_factory):
    """The service that most tests ask: two workers, logs in a folder, assignment on."""
    made = World(
        make_database(), tmp_path_factory.mktemp("world"), 2,
        EXPERIMENT_ASSIGNMENT_ENABLED="true", EXPERIMENT_ASSIGNMENT_SALT="salt", EXPERIMENT_DEFAULT_VARIANTS="A,B",
        RECSYS_MAX_BODY_BYTES="200000",
    )  # fmt: skip
    yield made
    assert made.server.stop() == 0
    assert "Traceback" not in made.server.said


@pytest.fixture(scope="module")
def make_world(make_database, tmp_path_factory):
    """A function that starts another service with settings of its own; they are stopped at the end of the module, for
    they ask their database for news all the time."""
    made = []

    def make(workers: int = 1, **settings) -> World:
        made.append(World(make_database(), tmp_path_factory.mktemp("world"), workers, **settings))
        return made[-1]

    yield make
    for service in made:
        service.server.stop()  # also what a test has killed: its pipe is open yet
