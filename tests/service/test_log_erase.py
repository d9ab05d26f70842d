"""``recsys-service log erase``: from a file of raw ids to logs without them, a receipt, and an exit status."""

import json

import pytest

from recsys.eventlog.pseudonym import pseudonym
from recsys.eventlog.upkeep import pack
from recsys.eventlog.upkeep.ship import ship_closed
from recsys.eventlog.writing.writer import LogSettings, LogWriter
from recsys.objectstore import Store
from service_world import cli, environment

SALT, BEFORE = "a-salt-of-more-than-thirty-two-bytes", "the-salt-before-of-thirty-two-bytes!"
NOT_FINISHED = 2


@pytest.fixture
def env(tmp_path):
    """An environment with one folder for all logs, and two salts; nothing listens at its database."""
    places = {f"{log}_LOG_PATH": f"{tmp_path}/logs/" for log in ("EXPOSURE", "OUTCOME", "ASSIGNMENT")}
    return environment(
        **places, ENV="production", RECSYS_DATA_DIR=str(tmp_path / "data"), EXPOSURE_HASH_SALT=SALT,
        EXPOSURE_HASH_SALT_PREVIOUS=BEFORE,
    )  # fmt: skip


def fill(path, salts=(SALT, BEFORE), users=("anna@example.com", "ben")):
    """Exposures and outcomes of each user under each salt; returns the open writers."""
    writers = []
    for log in ("exposure", "outcome"):
        writer = LogWriter(LogSettings(path=path), log=log, writer=f"w-{log}")
        writer.open()
        for number, (salt, user) in enumerate((salt, user) for salt in salts for user in users):
            row = {"request_id": f"r{number}", "user_id": pseudonym(salt.encode(), user), "ts": "2026-02-05T10:00:00Z"}
            row |= {"items": [{"item_id": "a", "rank": 1}]} if log == "exposure" else {
                "item_id": "a", "event_type": "click"
            }  # fmt: skip
            writer.append(json.dumps(row).encode())
        writers.append(writer)
    return writers


def close(writers):
    for writer in writers:
        writer.close()


@pytest.fixture
def subjects(tmp_path):
    path = tmp_path / "subjects.txt"
    path.write_text("\n anna@example.com \n")
    return path


def everything(folder):
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_it_erases_under_both_salts_and_prints_the_receipt(env, tmp_path, subjects):
    """stdout is the receipt's path; counts go to stderr; the raw id is nowhere; a second run finds nobody; verify is
    green."""
    close(fill(f"{tmp_path}/logs/"))
    done = cli("log", "erase", "--subject-file", subjects, env=env)
    assert done.status == 0, done.err
    (receipt,) = (tmp_path / "logs").glob("erasure-*.json")
    assert done.out == f"{receipt}\n"
    assert json.loads(receipt.read_text())["lines"] == {"exposure": 2, "outcome": 2}
    assert "2 lines erased from the exposure log" in done.err
    assert "anna" not in done.out + done.err + receipt.read_text()
    left = everything(tmp_path / "logs")
    assert all(pseudonym(salt.encode(), "anna@example.com").encode() not in left for salt in (SALT, BEFORE))
    assert pseudonym(SALT.encode(), "ben").encode() in left
    assert cli("log", "verify", env=env).status == 0
    again = cli("log", "erase", "--subject-file", subjects, tmp_path / "logs", env=env)
    assert (again.status, "no closed file holds a line of theirs" in again.err) == (0, True)


def test_what_is_written_to_is_not_finished(env, tmp_path, subjects):
    """Open segments are told with their lines and status 2; when they are closed, all is done."""
    writers = fill(f"{tmp_path}/logs/")
    done = cli("log", "erase", "--subject-file", subjects, env=env)
    assert done.status == NOT_FINISHED
    assert "2 lines stay" in done.err
    assert "not finished: run again after the day has turned" in done.err
    close(writers)
    assert cli("log", "erase", "--subject-file", subjects, env=env).status == 0


def test_the_archive_is_searched_where_it_is_configured(env, tmp_path, subjects):
    """Objects of theirs are rewritten; the receipt names them by URL."""
    close(fill(f"{tmp_path}/logs/"))
    url = f"file://{tmp_path}/store"
    (tmp_path / "store").mkdir()
    for log in ("exposure", "outcome"):
        list(pack.pack_closed(tmp_path / "logs", log))
        assert list(ship_closed(tmp_path / "logs", log, Store(url))) == []
    env |= {f"{log}_LOG_ARCHIVE_URL": url for log in ("EXPOSURE", "OUTCOME", "ASSIGNMENT")}
    done = cli("log", "erase", "--subject-file", subjects, env=env)
    assert done.status == 0, done.err
    (receipt,) = (tmp_path / "logs").glob("erasure-*.json")
    told = json.loads(receipt.read_text())
    assert told["lines"] == {"exposure": 2, "outcome": 2}
    assert all(each["file"].startswith(url) for each in told["files"])


def test_a_part_of_a_log_is_refused(env, tmp_path, subjects):
    """A segment alone, and a rotated file alone, have other parts that would keep what is to go."""
    close(fill(f"{tmp_path}/logs/"))
    (segment,) = (tmp_path / "logs").glob("exposure-*.jsonl")
    done = cli("log", "erase", "--subject-file", subjects, segment, env=env)
    assert (done.status, f"expected {tmp_path / 'logs'}" in done.err) == (1, True)
    close(fill(f"{tmp_path}/exposures.jsonl")[:1])
    (tmp_path / "exposures.jsonl").rename(tmp_path / "exposures.jsonl.1")
    done = cli("log", "erase", "--subject-file", subjects, tmp_path / "exposures.jsonl.1", env=env)
    assert (done.status, "this is a part of a log" in done.err) == (1, True)


@pytest.mark.parametrize(
    ("content", "change", "told"),
    [
        (b"\n \n", {}, "names nobody"),
        (b"\xff\xfe", {}, "bytes that are no UTF-8"),
        (b"anna@example.com\n", {"EXPOSURE_HASH_SALT": ""}, "EXPOSURE_HASH_SALT: no salt is set"),
        (b"anna@example.com\n", {"EXPOSURE_HASH_SALT": "", "ENV": "development"}, "another one finds nobody"),
    ],
)
def test_what_cannot_be_done_is_said_without_an_id(env, tmp_path, content, change, told):
    """An empty list, one that is no text, and a missing salt are refused, and nothing is made."""
    close(fill(f"{tmp_path}/logs/"))
    path = tmp_path / "subjects.txt"
    path.write_bytes(content)
    done = cli("log", "erase", "--subject-file", path, env=env | change)
    assert done.status == 1
    assert told in done.err
    assert "anna" not in done.err
    assert not list((tmp_path / "logs").glob("erasure-*"))
    assert not (tmp_path / "data").exists()
