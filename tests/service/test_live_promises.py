"""What the logs promise, asked of a real service: a full file system, a slow disk, real signals, many workers."""

import signal
import time

import psutil
import pytest

from http_load import Load
from live_logs import SmallDisk, check_accounts, logged_ids, metric, until, workers
from recsys.eventlog.audit import verify
from recsys.eventlog.writing import index as indexes
from service_world import program


def full_disk(make_world, tmp_path, on_error: str, *, broken: str | None = None):
    """A service under load whose disk fills and empties twice: (disk, replies, what readyz and the metric said)."""
    disk = SmallDisk(tmp_path / "logs", "2m")
    world = make_world(
        EXPOSURE_LOG_PATH=f"{disk.folder}/", EXPOSURE_LOG_ON_ERROR=on_error, ASSIGNMENT_LOG_PATH="",
        OUTCOME_LOG_PATH="", within=disk.within, broken=broken,
    )  # fmt: skip
    disk.enter(world.server.process.pid)
    load = Load(world.server.url, world.key, connections=4, pause=0.02)
    said = []
    with load:
        for _ in range(2):
            until(lambda: sum(reply.logged for reply in load.replies[-20:]) > 5)
            disk.fill()
            before = len(load.replies)
            if broken is None:
                until(lambda before=before: sum(not reply.logged for reply in load.replies[before:]) > 30)
                said.append((world.get("/readyz", key="").status_code, metric(world, "recsys_log_writable")))
            else:
                time.sleep(1)
            disk.free()
        until(lambda: all(reply.logged for reply in load.replies[-20:]))
    if broken is None:
        until(lambda: metric(world, "recsys_log_writable") == 1)
        said.append((world.get("/readyz", key="").status_code, metric(world, "recsys_log_writable")))
    assert world.server.stop() == 0
    return disk, load.replies, said


@pytest.mark.long
@pytest.mark.parametrize("on_error", ["serve", "fail"])
def test_p5_a_full_disk_degrades_loudly(make_world, tmp_path, on_error, tell):
    """Every 200 is logged or flagged, readiness and the metric say so, the gap counts what the answers said, and no
    restart is needed."""
    disk, replies, said = full_disk(make_world, tmp_path, on_error)
    assert said == [(503, 0), (503, 0), (200, 1)]
    counts = check_accounts(replies, logged_ids(disk.seen))
    gaps = disk.gaps()
    tell(f"answers {dict(counts)}, gaps {[(gap.lost, gap.refused) for gap in gaps]} (lost, refused)")
    if on_error == "serve":
        assert set(counts) == {"logged", "200"}
        assert sum(gap.lost for gap in gaps) == counts["200"]
    else:
        assert set(counts) == {"logged", "503"}
        assert sum(gap.refused for gap in gaps) == counts["503"]
        assert {reply.code for reply in replies if reply.status == 503} == {"RECSYS_EXPOSURE_NOT_LOGGED"}
    assert len(gaps) == 2
    assert not [fault for found in verify.verify_folder(disk.seen, "exposure") for fault in found.faults]


@pytest.mark.long
def test_p5_sees_a_writer_that_hides_a_full_disk(make_world, tmp_path):
    """The same count fails where a failed write is acknowledged."""
    disk, replies, _ = full_disk(make_world, tmp_path, "serve", broken="forgets_on_full_disk")
    with pytest.raises(AssertionError, match="are not in the log"):
        check_accounts(replies, logged_ids(disk.seen))


@pytest.mark.long
@pytest.mark.parametrize("fsync", ["false", "true"])
def test_p9_sigterm_drains_and_sigkill_loses_nothing(make_world, tmp_path, fsync):
    """Under load, SIGTERM ends with status 0 in time, SIGKILL at once; what was acknowledged is in the log once."""
    for number, how in enumerate((signal.SIGTERM, signal.SIGKILL)):
        logs = tmp_path / f"logs-{number}"
        world = make_world(2, EXPOSURE_LOG_PATH=f"{logs}/", EXPOSURE_LOG_FSYNC=fsync)
        load = Load(world.server.url, world.key, connections=8)
        with load:
            until(lambda load=load: len(load.replies) > 300)
            served = workers(world.server)
            if how == signal.SIGTERM:
                began = time.monotonic()
                assert world.server.stop() == 0
                assert time.monotonic() - began < 15
            else:
                for process in [*served, psutil.Process(world.server.process.pid)]:
                    process.kill()
                world.server.process.wait(20)
        counts = check_accounts(load.replies, logged_ids(logs))
        assert set(counts) <= {"logged", "0"}
        sealed = {found.sealed for found in verify.verify_folder(logs, "exposure")}
        assert sealed == {how == signal.SIGTERM}


@pytest.mark.long
def test_p9_sees_a_writer_that_leaves_with_what_waits(make_world, tmp_path):
    """The same count fails for a writer that acknowledges what it only keeps in memory."""
    world = make_world(2, EXPOSURE_LOG_PATH=f"{tmp_path}/logs/", broken="loses_what_waits")
    load = Load(world.server.url, world.key, connections=8)
    with load:
        until(lambda: len(load.replies) > 300)
        world.server.stop()
    with pytest.raises(AssertionError, match="are not in the log"):
        check_accounts(load.replies, logged_ids(tmp_path / "logs"))


@pytest.mark.long
def test_p10_a_slow_disk_slows_then_sheds(make_world, tmp_path, tell):
    """With four flushes a second and room for eight lines, most of 64 clients are told to come again; memory stays."""
    world = make_world(
        EXPOSURE_LOG_PATH=f"{tmp_path}/logs/", EXPOSURE_LOG_FSYNC="true", EXPOSURE_LOG_MAX_WAITING="8",
        ASSIGNMENT_LOG_PATH="", broken="slow_disk",
    )  # fmt: skip
    (worker,) = workers(world.server)
    Load(world.server.url, world.key, connections=8, name="warm").run(1)
    before = worker.memory_info().rss
    load = Load(world.server.url, world.key, connections=64, pause=0.01)
    with load:
        time.sleep(5)
        peak = worker.memory_info().rss
        answer = world.post("/v1/recommend", {"surface": "home", "user": {"user_id": "u"}})
        while answer.status_code == 200:
            answer = world.post("/v1/recommend", {"surface": "home", "user": {"user_id": "u"}})
    assert (answer.status_code, answer.json()["code"]) == (503, "RECSYS_OVERLOADED")
    assert answer.headers["retry-after"] == "1"
    assert peak - before < 32 << 20
    shed = metric(world, "recsys_log_shed_requests_total")
    assert world.server.stop() == 0
    counts = check_accounts(load.replies, logged_ids(tmp_path / "logs"))
    tell(f"answers {dict(counts)}, {(peak - before) >> 10} KiB more memory")
    assert set(counts) == {"logged", "503"}
    assert counts["logged"] >= 40  # up to eight every quarter of a second
    assert shed >= counts["503"] > 0
    assert not [gap for path in (tmp_path / "logs").glob("*.index") for gap in indexes.read(path).of(indexes.Gap)]


@pytest.mark.long
@pytest.mark.parametrize("kind", ["folder", "file"])
def test_p6_four_workers_leave_a_log_without_faults(make_world, tmp_path, kind):
    """Four workers in one folder, and in one file: `log verify` finds nothing, while they write and afterwards."""
    logs = tmp_path / "logs"
    path = f"{logs}/" if kind == "folder" else f"{logs}/exposures.jsonl"
    world = make_world(4, EXPOSURE_LOG_PATH=path)
    load = Load(world.server.url, world.key, connections=16)
    with load:
        until(lambda: len(load.replies) > 1_000)
        done = program("log", "verify", env=world.server.env)
        assert (done.status, done.err.count("fault")) == (0, 0), done.out + done.err
    assert world.server.stop() == 0
    check_accounts(load.replies, logged_ids(logs, "exposure*.jsonl"))
    done = program("log", "verify", env=world.server.env)
    assert done.status == 0, done.out + done.err
