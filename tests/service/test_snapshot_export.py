"""``recsys-service snapshot``: all versions of a configuration in a file, and nothing that is a secret."""

import json
from datetime import UTC, datetime, timedelta

import jsonschema
import pytest

from recsys.contracts import config as configs
from recsys.contracts import schema as schemas
from recsys.contracts import snapshot as snapshots
from recsys.errors import InputError
from service_world import SALT, cli, environment

VERSIONS = (
    {"weights": {"pop": 0.7}},
    {"weights": {"pop": 0.7}, "experiments": {"exp-1": {"variants": {"Z": {}, "A": {"weights": {"cooc": 1}}}}}},
    {"weights": {"pop": 0.2}},
)


@pytest.fixture
def own(make_database, tmp_path):
    """Settings on a migrated database with the tenants demo and bare."""
    made = environment(DATABASE_URL=make_database(), EXPOSURE_HASH_SALT=SALT, RECSYS_DATA_DIR=str(tmp_path / "data"))
    for words in (("migrate",), ("tenant", "create", "demo"), ("tenant", "create", "bare")):
        assert cli(*words, env=made).status == 0
    return made


def set_config(env, folder, document):
    """Set a configuration; the name that the command gives to its version."""
    path = folder / "config.json"
    path.write_text(json.dumps(document))
    done = cli("config", "set", "demo", path, env=env)
    assert done.status == 0, done.err
    return done.out.split("(")[1].split(")")[0]


def test_every_version_is_exported(own, tmp_path):
    """The documents as they were set, variants in their order, under the names that exposures carry; the last one is in
    force, and the file is valid under its schema."""
    names = [set_config(own, tmp_path, document) for document in VERSIONS]
    target = tmp_path / "snapshot.json"
    before = datetime.now(UTC)
    done = cli("snapshot", "--tenant", "demo", "--output", target, env=own)
    assert (done.status, done.out) == (0, "")
    assert f"4 versions of the configuration of demo, {names[-1]} in force" in done.err
    raw = json.loads(target.read_bytes())
    jsonschema.Draft202012Validator(schemas.build("snapshot.v1")).validate(raw)
    assert [configs.parse(json.dumps(version["document"]).encode()) for version in raw["config"]] == [
        configs.parse(json.dumps(document).encode()) for document in ({}, *VERSIONS)
    ]
    assert list(raw["config"][2]["document"]["experiments"]["exp-1"]["variants"]) == ["Z", "A"]
    assert [version["name"] for version in raw["config"]] == ["c0-default", *names]
    assert [version["current"] for version in raw["config"]] == [False, False, False, True]
    assert raw["config"][0]["created_at"] is None
    assert raw["rules"] == []
    made = snapshots.parse(target.read_bytes(), where="snapshot.json")
    assert made.tenant_id == "demo"
    assert before <= made.exported_at <= datetime.now(UTC)
    for version in made.config[1:]:
        assert version.created_at is not None
        assert before - timedelta(minutes=1) < version.created_at < made.exported_at + timedelta(minutes=1)
    assert snapshots.current(made.config) == made.config[-1]
    assert snapshots.named(made.config, names[0]) == made.config[1]
    assert snapshots.named(made.config, "c9-none") is None


def test_a_tenant_without_a_configuration(own):
    """The empty document, version 0, is in force; the snapshot is printed where no file is named."""
    done = cli("snapshot", "--tenant", "bare", env=own)
    made = snapshots.parse(done.out.encode(), where="stdout")
    assert [(version.name, version.current) for version in made.config] == [("c0-default", True)]


def test_no_secret_is_in_it(own, tmp_path):
    """Neither the salt, nor a key, nor its hash, nor another tenant."""
    set_config(own, tmp_path, VERSIONS[0])
    key = cli("key", "create", "--tenant", "demo", env=own)
    text = cli("snapshot", "--tenant", "demo", env=own | {"EXPERIMENT_ASSIGNMENT_SALT": "very-secret-salt"}).out
    for secret in ("very-secret-salt", key.out.strip(), key.err.split()[2], "sha256", "bare"):
        assert secret not in text
    assert set(json.loads(text)) == {
        "schema_version", "tenant_id", "exported_at", "service_version", "config", "rules",
    }  # fmt: skip


def test_what_cannot_be_exported(own, tmp_path):
    """An unknown tenant is named with the nearest, and no file is left; a folder that is not there is told first."""
    target = tmp_path / "snapshot.json"
    done = cli("snapshot", "--tenant", "demos", "--output", target, env=own)
    assert done.status == 1
    assert "'demo'" in done.err
    assert not target.exists()
    done = cli("snapshot", "--tenant", "demo", "--output", tmp_path / "none" / "s.json", env=own)
    assert done.status == 1
    assert "no such folder" in done.err


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b'{"schema_version": "report.v1"}', b"\xff"])
def test_what_is_no_snapshot(raw):
    """The file is named, and how one is made."""
    with pytest.raises(InputError, match=r"s\.json: not a snapshot .*recsys-service snapshot"):
        snapshots.parse(raw, where="s.json")
