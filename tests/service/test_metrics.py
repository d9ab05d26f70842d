"""What /metrics and the index say of a running service: for all workers, also those that have died."""

import hmac
import os
import re
import signal
from pathlib import Path

import pytest

from live_logs import SmallDisk, until, workers
from recsys.eventlog.writing import index as indexes
from service_world import log_lines


def figures(world, name: str) -> dict[str, float]:
    """A figure of every log."""
    text = world.get("/metrics", key="").text
    return {log: float(value) for log, value in re.findall(rf'^{name}{{log="(\w+)"}} (\S+)$', text, re.MULTILINE)}


def segments_of(world, pid: int) -> list[Path]:
    """The indexes of a worker's segments of the exposure log."""
    return list(world.logs.glob(f"exposure-*.w{pid}-*.index"))


@pytest.fixture(scope="module")
def counted(make_world):
    """A service of two workers that only these tests ask, which knows the salt before this one."""
    return make_world(
        2, EXPERIMENT_ASSIGNMENT_ENABLED="true", EXPERIMENT_ASSIGNMENT_SALT="salt",
        EXPOSURE_HASH_SALT_PREVIOUS="the one before",
    )  # fmt: skip


def test_every_worker_answers_for_all(counted):
    """Twenty answers of two workers are twenty lines, whichever worker is asked; a click and an assignment one each."""
    sizes = 0
    for _ in range(20):
        counted.recommend(experiment={"id": "exp-1"})
    item = counted.recommend()["items"][0]["item_id"]
    click = {"request_id": "r", "user_id": "user-1", "item_id": item, "event_type": "click",
             "ts": "2026-02-05T10:00:00Z"}  # fmt: skip
    assert counted.post("/v1/outcomes", click).status_code == 200
    written = {"exposure": 21, "outcome": 1, "assignment": 20}
    until(lambda: figures(counted, "recsys_log_written_lines_total") == written)
    for _ in range(6):
        assert figures(counted, "recsys_log_written_lines_total") == written
    assert (
        figures(counted, "recsys_log_batch_lines_sum") == figures(counted, "recsys_log_commit_seconds_count") == written
    )
    for log in written:
        sizes = sum(path.stat().st_size for path in counted.logs.glob(f"{log}-*.jsonl"))
        assert figures(counted, "recsys_log_written_bytes_total")[log] == sizes
    assert set(figures(counted, "recsys_log_writable").values()) == {1}
    assert set(figures(counted, "recsys_log_waiting_lines").values()) == {0}
    assert figures(counted, "recsys_log_segment_age_seconds")["exposure"] > 0


def test_subjects_of_two_salts_are_noted_once(counted):
    """Each log's index says by which pseudonym a person was known before, once a worker; raw ids are in no file."""
    counted.recommend(user={"user_id": "somebody new", "session_id": "a session"})
    files = [path for path in counted.logs.iterdir() if path.is_file()]
    found = [alias for path in files if path.suffix == ".index" for alias in indexes.read(path).of(indexes.Alias)]
    before, now = (hmac.digest(salt, b"user-1", "sha256").hex() for salt in (b"the one before", b"salt"))
    assert {alias.previous for alias in found if alias.current == now} == {before}
    assert 2 <= sum(alias.current == now for alias in found) <= 3  # one or two workers, and the outcome
    now = hmac.digest(b"salt", b"somebody new", "sha256").hex()
    assert [alias.previous for alias in found if alias.current == now] == [
        hmac.digest(b"the one before", b"somebody new", "sha256").hex()
    ]
    for path in files:
        assert b"somebody new" not in path.read_bytes()
        assert b"a session" not in path.read_bytes()


def test_workers_that_are_replaced_in_order_leave_what_they_counted(counted):
    """After SIGHUP every line counts at once, and the gauges are those of the new workers alone."""
    for _ in range(5):
        counted.recommend()
    before = len(log_lines(counted.logs))
    ready = counted.server.said.count("is ready")
    counted.server.process.send_signal(signal.SIGHUP)
    counted.server.wait(lambda: counted.server.said.count("is ready") == ready + 2)
    until(lambda: len(workers(counted.server)) == 2)  # the old ones have ended
    until(lambda: figures(counted, "recsys_log_segment_age_seconds")["exposure"] == 0)  # none of them has a segment
    assert figures(counted, "recsys_log_written_lines_total")["exposure"] == before


def test_what_a_dead_worker_counted_stays(counted):
    """A worker is killed: its lines still count, its gauges no longer do, and its segment is sealed by the service."""
    counted.recommend()
    before = len(log_lines(counted.logs))
    until(lambda: figures(counted, "recsys_log_written_lines_total")["exposure"] == before)
    killed = next(each.pid for each in workers(counted.server) if segments_of(counted, each.pid))
    ready = counted.server.said.count("is ready")
    os.kill(killed, signal.SIGKILL)
    counted.server.wait(lambda: counted.server.said.count("is ready") == ready + 1)
    assert figures(counted, "recsys_log_written_lines_total")["exposure"] == before
    sealed = segments_of(counted, killed)
    until(lambda: all(indexes.read(path).sealed for path in sealed), 30)
    counted.recommend()
    until(lambda: figures(counted, "recsys_log_written_lines_total")["exposure"] == before + 1)


@pytest.mark.long
def test_a_full_disk_for_temporary_files_ends_no_worker(make_world, tmp_path):
    """A worker that is replaced while it is full counts and serves."""
    disk = SmallDisk(tmp_path / "tmp", "2m")
    world = make_world(TMPDIR=str(disk.folder), within=disk.within)
    disk.enter(world.server.process.pid)
    disk.fill()
    (worker,) = workers(world.server)
    worker.kill()
    world.server.wait(lambda: world.server.said.count("is ready") == 2)
    world.recommend()
    until(lambda: figures(world, "recsys_log_written_lines_total")["exposure"] == 1)
