"""Settings: read whole, refused by name, never shown where they are secret."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from recsys.errors import ConfigError
from recsys.service import settings
from recsys.service.settings import SETTINGS
from recsys.service.store.database import masked
from recsys.service.variables import database_url

PRODUCTION = {"ENV": "production", "DATABASE_URL": "postgresql://u:p@db/recsys"}


def test_nothing_set_is_a_development_service():
    """An empty environment gives the defaults of the table, without a warning."""
    loaded, warnings = settings.load({})
    assert (loaded.host, loaded.port, loaded.env, loaded.production) == ("127.0.0.1", 8000, "development", False)
    assert loaded.data_dir == Path(".recsys").absolute()
    assert loaded.database_url is None
    assert loaded.migrate_on_start
    assert loaded.exposure.writer_settings() is None
    assert warnings == []


def test_the_table_is_whole():
    """Every row has a name of its own, a meaning that ends like a sentence, and a default that its reader takes."""
    assert len({row.name for row in SETTINGS}) == len(SETTINGS)
    for row in SETTINGS:
        assert row.meaning.endswith("."), row.name
        if row.default is not None:
            row.read(row.name, row.default)


def test_an_empty_value_is_no_value():
    """A variable set to nothing counts as not set, as shells and compose files leave them."""
    assert settings.load({row.name: "" for row in SETTINGS}) == settings.load({})


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("API_ADDR", "8000", "host:port"),
        ("API_ADDR", "localhost:²", "host:port"),
        ("API_ADDR", "localhost:70000", "host:port"),
        ("API_ADDR", "::1:8000", "[::1]:8000"),
        ("ENV", "prod", "production"),
        ("LOG_LEVEL", "loud", "debug"),
        ("MIGRATE_ON_START", "maybe", "true or false"),
        ("RECSYS_MAX_BODY_BYTES", "1MB", "a whole number"),
        ("RECSYS_MAX_BODY_BYTES", "10", "from 1024"),
        ("RECSYS_SNAPSHOT_REFRESH", "nan", "a number"),
        ("RECSYS_SNAPSHOT_REFRESH", "0", "from 0.1"),
        ("RECSYS_ALGO_HALF_LIFE_DAYS", "-1", "a number"),
        ("EXPOSURE_LOG_FORMAT", "eval", "eval_v1"),
        ("EXPOSURE_LOG_RETENTION_DAYS", "0", "from 1"),
        ("EXPERIMENT_DEFAULT_VARIANTS", "A,B,A", "distinct"),
    ],
)
def test_a_value_that_cannot_be_read_names_its_variable(name, text, expected):
    """What was found and what is expected are said too."""
    with pytest.raises(ConfigError) as refused:
        settings.load({name: text})
    assert name in str(refused.value)
    assert repr(text) in str(refused.value)
    assert expected in str(refused.value)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("localhost:80", "localhost", 80), (":8000", "0.0.0.0", 8000), ("[::1]:0", "::1", 0)],
)
def test_addresses(text, host, port):
    """No host means every interface; IPv6 hosts stand in brackets."""
    loaded, _ = settings.load({"API_ADDR": text})
    assert (loaded.host, loaded.port) == (host, port)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        (PRODUCTION | {"DEV_AUTH_ENABLED": "true"}, ["DEV_AUTH_ENABLED", "production"]),
        ({"ENV": "production"}, ["DATABASE_URL", "production"]),
        ({"EXPERIMENT_ASSIGNMENT_ENABLED": "true"}, ["EXPERIMENT_ASSIGNMENT_SALT"]),
        ({"EXPOSURE_LOG_ENABLED": "true"}, ["EXPOSURE_LOG_PATH"]),
        ({"OUTCOME_LOG_PATH": "o.jsonl", "OUTCOME_LOG_RETENTION_DAYS": "7"}, ["OUTCOME_LOG_RETENTION_DAYS", "folder"]),
        ({"EXPOSURE_LOG_PATH": "l.jsonl", "OUTCOME_LOG_PATH": "./l.jsonl"}, ["OUTCOME_LOG_PATH", "EXPOSURE_LOG_PATH"]),
        ({"DATABASE_URL": "postgresql://h/d", "DATABASE_URL_FILE": "f"}, ["DATABASE_URL_FILE"]),
        ({"DATABASE_URL_FILE": "no/such/file"}, ["DATABASE_URL_FILE", "no/such/file", "No such file"]),
    ],
)
def test_settings_that_cannot_stand_together(environment, words):
    """Weak settings in production and contradictions stop the start, by name."""
    with pytest.raises(ConfigError) as refused:
        settings.load(environment)
    for word in words:
        assert word in str(refused.value)


def test_logs_in_folders_share_one_and_keep_thirty_days():
    """A folder holds a file for each kind of record, so several logs may name it; retention defaults to 30 days."""
    loaded, _ = settings.load({"EXPOSURE_LOG_PATH": "logs/", "OUTCOME_LOG_PATH": "logs/"})
    found = loaded.exposure.writer_settings()
    assert found is not None
    assert found.is_folder
    assert found.retention_days == 30


def test_the_url_may_come_from_a_file(tmp_path):
    """A file as secret stores mount it: its end of line does not count; what is no text is refused."""
    file = tmp_path / "url"
    file.write_text("postgresql://u:secret@h/d\n")
    assert settings.load({"DATABASE_URL_FILE": str(file)})[0].database_url == "postgresql://u:secret@h/d"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        settings.load({"DATABASE_URL_FILE": str(file)})


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("EXPOSURE_LOG_PATHS", "EXPOSURE_LOG_PATH"),
        ("RECSYS_DATADIR", "RECSYS_DATA_DIR"),
        ("OUTCOME_LOG_FSYNCH", "OUTCOME_LOG_FSYNC"),
        ("JWT_ISSUER", "not available in this version"),
        ("TENANT_RATE_LIMIT_RPS", "not available in this version"),
        ("EXPOSURE_LOG_FSYNC", "EXPOSURE_LOG_PATH is not set"),
        ("ASSIGNMENT_LOG_RETENTION_DAYS", "ASSIGNMENT_LOG_PATH is not set"),
        ("EXPERIMENT_ASSIGNMENT_SALT", "EXPERIMENT_ASSIGNMENT_ENABLED is not true"),
    ],
)
def test_what_has_no_effect_is_warned_of_by_name(name, words):
    """Unknown names with the nearest known one, later ones, and known ones that do nothing beside the others."""
    (warning,) = settings.load({name: "1"})[1]
    assert warning.startswith(name)
    assert words in warning


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"EXPOSURE_LOG_PATH": "logs/", "EXPOSURE_LOG_MAX_WAITING": "9"}, ["EXPOSURE_LOG_MAX_WAITING", "FSYNC"]),
        ({"EXPOSURE_LOG_PATH": "logs/", "EXPOSURE_LOG_MAX_WAITING": "9", "EXPOSURE_LOG_FSYNC": "true"}, []),
        ({"OUTCOME_LOG_PATH": "o.jsonl", "OUTCOME_LOG_SEGMENT_BYTES": "70000"}, ["SEGMENT_BYTES", "is a file"]),
        (
            {"OUTCOME_LOG_PATH": "o/", "OUTCOME_LOG_RETENTION_DAYS": "9", "OUTCOME_LOG_ARCHIVE_URL": "file:///a"},
            ["OUTCOME_LOG_RETENTION_DAYS", "OUTCOME_LOG_ARCHIVE_URL"],
        ),
        ({"EXPOSURE_HASH_SALT_PREVIOUS": "pepper"}, ["EXPOSURE_HASH_SALT_PREVIOUS has no effect"]),
        ({"OUTCOME_LOG_ON_ERROR": "fail"}, ["is not a setting"]),
    ],
)
def test_what_has_no_effect_beside_other_settings_is_warned_of_once(given, words):
    """What a log does not need as it is set up is told by name, with the setting that makes it idle."""
    told = settings.load(given)[1]
    assert len(told) == bool(words)
    assert all(word in told[0] for word in words)


def test_secrets_are_not_shown():
    """Neither the text of the settings nor the error of a wrong one holds a secret."""
    secrets = PRODUCTION | {"EXPOSURE_HASH_SALT": "pepper", "EXPERIMENT_ASSIGNMENT_SALT": "cumin"}
    loaded, warnings = settings.load(secrets)
    assert not any(secret in repr(loaded) + "".join(warnings) for secret in ("u:p", "pepper", "cumin"))
    with pytest.raises(ConfigError) as refused:
        settings.load({"DATABASE_URL": "postgresql://u:pep@per@h/d"})
    assert "pep" not in str(refused.value)
    assert "%40" in str(refused.value)


def told(function, argument, kinds):
    """The words of the error that ``function`` raises; empty where it raises none."""
    try:
        function(argument)
    except kinds as error:
        return str(error)
    return ""


@given(st.text("up:@/?#%[]&=.,1é ", max_size=24))
def test_urls_that_are_taken_are_read_by_libpq_as_they_are_masked(rest):
    """What the setting takes, libpq reads, or names a parameter of; and the password is nowhere in the masked URL."""
    url = f"postgresql://{rest}"
    if told(lambda text: database_url("DATABASE_URL", text), url, ConfigError):
        return
    refusal = told(conninfo_to_dict, url.strip(), ProgrammingError)
    if refusal:
        assert "parameter" in refusal or "separator" in refusal
    elif conninfo_to_dict(url.strip()).get("password"):
        written = rest.partition("@")[0].partition(":")[2]
        assert masked(url) == url.replace(f":{written}@", ":***@", 1)


@given(st.text(min_size=1).filter(lambda text: text.isprintable()))
def test_a_quoted_password_is_masked(password):
    """Percent-encoded as the hint says, any password is taken, read back, and masked."""
    from urllib.parse import quote

    written = quote(password, safe="")
    url = database_url("DATABASE_URL", f"postgresql://user:{written}@host:5433/d?sslmode=require")
    assert conninfo_to_dict(url)["password"] == password
    assert masked(url) == "postgresql://user:***@host:5433/d?sslmode=require"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://h/d?password=pepper&sslmode=require", "postgresql://h/d?password=***&sslmode=require"),
        ("postgresql://h/d?sslpassword=pepper", "postgresql://h/d?sslpassword=***"),
        ("postgresql://u:pe@p?p/er@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u@h/d", "postgresql://u@h/d"),
    ],
)
def test_masking(url, shown):
    """The password goes wherever it stands, also where it was not quoted; the rest stays."""
    assert masked(url) == shown
