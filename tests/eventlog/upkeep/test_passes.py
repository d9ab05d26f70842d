"""The upkeep of log folders: repaired, pruned, packed and moved in one pass, by one process, whatever goes wrong."""

import errno
import os
import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest
import zstandard

from closed_segments import NAME, NOON, line, write_dead, write_segment
from recsys.eventlog.upkeep.passes import LOCK, StoppedError, Upkeep, UpkeepThread, alone, retention
from recsys.eventlog.writing import recovery
from recsys.eventlog.writing.writer import LogSettings
from recsys.objectstore import Store


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != LOCK)


def upkeep(folder, *, now=NOON, logs=("exposure",), files=os, store=Store, **settings) -> Upkeep:
    made = LogSettings(path=f"{folder}/", **settings)
    return Upkeep(dict.fromkeys(logs, made), clock=lambda: now, files=files, store=store)


def test_a_pass_does_everything(tmp_path):
    """A dead writer's segment is repaired, then all closed ones are packed and moved; one that is written to stays."""
    logs, archive = tmp_path / "logs", tmp_path / "archive"
    content = write_segment(logs)
    write_dead(logs)
    _, writer = write_segment(logs, writer="live", close=False)
    told = upkeep(logs, compression="zstd", archive_url=f"file://{archive}").pass_once()
    dead = "exposure-2026-02-05.dead-1.jsonl"
    assert len(told) == 1
    assert f"{dead}: " in told[0]
    assert "8 bytes of an unfinished record cut off" in told[0]
    live = "exposure-2026-02-05.live-1.jsonl"
    assert names(logs) == [live, f"{live}.index"]
    found = sorted(path.name for path in (archive / "exposure/2026-02-05").iterdir())
    assert found == [f"{dead}.index", f"{dead}.torn", f"{dead}.zst", f"{NAME}.index", f"{NAME}.zst"]
    for name in (dead, NAME):
        packed = (archive / "exposure/2026-02-05" / f"{name}.zst").read_bytes()
        assert zstandard.ZstdDecompressor().decompressobj().decompress(packed) == content
    writer.append(line(99))
    writer.close()
    assert upkeep(logs, archive_url=f"file://{archive}").pass_once() == []
    assert names(logs) == []


def test_without_settings_only_the_dead_are_repaired(tmp_path):
    """Neither packed nor moved nor removed unless the settings say so; a log that is a file has no upkeep."""
    content = write_segment(tmp_path / "logs", at=NOON - timedelta(days=400))
    assert upkeep(tmp_path / "logs").pass_once() == []
    [name] = [name for name in names(tmp_path / "logs") if name.endswith(".jsonl")]
    assert (tmp_path / "logs" / name).read_bytes() == content
    file = Upkeep({"exposure": LogSettings(path=str(tmp_path / "log.jsonl"), compression="zstd")})
    assert file.pass_once() == []
    assert upkeep(tmp_path / "never_made").pass_once() == []
    assert not (tmp_path / "never_made").exists()


def test_p7_retention_removes_only_closed_segments(tmp_path):
    """Of the segments older than N days, those that are closed go, packed or not, with what stands beside them; one
    that is written to stays, however old its day; so do younger ones, other logs, and what is no segment."""
    old, young = NOON - timedelta(days=31), NOON - timedelta(days=30)
    write_segment(tmp_path, at=old)
    write_segment(tmp_path, at=old, writer="packed")
    upkeep(tmp_path, compression="zstd").pass_once()
    write_segment(tmp_path, at=old, writer="plain")
    write_dead(tmp_path, days_ago=31)
    (tmp_path / "exposure-2026-01-05.plain-1.jsonl.torn").write_bytes(b"half\n")
    write_segment(tmp_path, at=young, writer="young")
    write_segment(tmp_path, at=old, log="outcome")
    (tmp_path / "notes.txt").touch()
    content, writer = write_segment(tmp_path, at=old, writer="live", close=False)
    live = tmp_path / "exposure-2026-01-05.live-1.jsonl"
    told = upkeep(tmp_path, retention_days=30).pass_once()
    assert sum("older than 30 days; removed" in message for message in told) == 10
    kept = [
        live.name, f"{live.name}.index", "exposure-2026-01-06.young-1.jsonl", "exposure-2026-01-06.young-1.jsonl.index",
        "notes.txt", "outcome-2026-01-05.w1-1.jsonl", "outcome-2026-01-05.w1-1.jsonl.index",
    ]  # fmt: skip
    assert names(tmp_path) == kept
    writer.append(line(50))
    assert live.read_bytes() == content + line(50) + b"\n"
    writer.close()
    assert len(upkeep(tmp_path, retention_days=30).pass_once()) == 2
    assert names(tmp_path) == kept[2:]


def test_with_an_archive_nothing_is_removed_that_is_in_none(tmp_path):
    """An old segment waits for the archive, and goes when it is there; retention touches no object."""
    logs, archive = tmp_path / "logs", tmp_path / "archive"
    write_segment(logs, at=NOON - timedelta(days=400))
    before = names(logs)
    archive.touch()
    kept = upkeep(logs, retention_days=30, archive_url=f"file://{archive}")
    assert len(kept.pass_once()) == 1
    assert names(logs) == before
    archive.unlink()
    for _ in range(2):
        assert kept.pass_once() == []
        assert (names(logs), names(archive / "exposure/2025-01-01")) == ([], before)


HOLD = """
import sys
from pathlib import Path
from recsys.eventlog.upkeep.passes import alone
with alone(Path(sys.argv[1])) as is_alone:
    print(is_alone, flush=True)
    sys.stdin.read()
"""


def test_one_process_at_a_time(tmp_path):
    """While another process is at it, a pass does nothing; then the next one does."""
    write_segment(tmp_path)
    words = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "True\n"
        with alone(tmp_path) as is_alone:
            assert not is_alone
        assert upkeep(tmp_path, compression="zstd").pass_once() == []
        assert (tmp_path / NAME).exists()
        other.stdin.close()
        other.wait()
    upkeep(tmp_path, compression="zstd").pass_once()
    assert not (tmp_path / NAME).exists()


def test_trouble_of_one_log_is_not_that_of_another(tmp_path):
    """What cannot be done for one log is told, and the others are kept; nothing is raised."""

    class Files:
        def __getattr__(self, name):
            return getattr(os, name)

        def unlink(self, path):
            if "exposure" in str(path):
                raise OSError(errno.EROFS, "Read-only file system")
            path.unlink()

    old = NOON - timedelta(days=400)
    write_segment(tmp_path, at=old)
    write_segment(tmp_path, at=old, log="outcome")
    told = upkeep(tmp_path, logs=("exposure", "outcome"), files=Files(), retention_days=30).pass_once()
    assert sum("exposure" in message and "Read-only file system" in message for message in told) == 1
    assert not [name for name in names(tmp_path) if name.startswith("outcome")]

    def broken(url, **named):
        raise RuntimeError("whatever it is")

    write_segment(tmp_path, log="outcome")
    made = upkeep(tmp_path, logs=("exposure", "outcome"), store=broken, archive_url="file:///x")
    assert [message.endswith("whatever it is") for message in made.pass_once()] == [True, True]


def test_a_wrong_url_is_told(tmp_path):
    """A URL of no store is a message, without its secrets."""
    write_segment(tmp_path)
    [message] = upkeep(tmp_path, archive_url="ftp://me:hunter2@host/x").pass_once()
    assert "not an object store" in message
    assert "hunter2" not in message


def test_a_segment_that_is_being_made_is_left_alone(tmp_path):
    """Between the moment a writer makes a segment and the moment it locks it, no pass takes the lock from it; what is
    still so after a minute belongs to nobody."""
    path = tmp_path / NAME
    path.touch()
    now = NOON.timestamp()
    os.utime(path, (now, now))
    assert list(recovery.recover(tmp_path, "exposure", now=NOON + timedelta(seconds=59))) == []
    assert path.exists()
    [done] = recovery.recover(tmp_path, "exposure", now=NOON + timedelta(seconds=61))
    assert done.path == path
    assert not path.exists()


def wait_for(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def test_a_thread_does_it_again_and_again(tmp_path):
    """Segments that are closed while it runs are packed; what does not change is told once; it ends when asked."""
    told = []
    write_segment(tmp_path, writer="bad")
    (tmp_path / "exposure-2026-02-05.bad-1.jsonl").write_bytes(b"changed\n")
    thread = UpkeepThread(upkeep(tmp_path, compression="zstd"), told.append, period=0.02)
    thread.start()
    for number in range(3):
        write_segment(tmp_path, writer=f"w{number}")
        wait_for(lambda number=number: not (tmp_path / f"exposure-2026-02-05.w{number}-1.jsonl").exists())
    assert thread.stop()
    assert len(told) == 1
    write_segment(tmp_path, writer="late")
    time.sleep(0.1)
    assert (tmp_path / "exposure-2026-02-05.late-1.jsonl").exists()
    assert UpkeepThread(upkeep(tmp_path), told.append).stop()


def test_a_transfer_is_ended_between_two_pieces(tmp_path):
    """A stop in the middle of an upload ends it: no object is there, the segment is, and another process goes on."""
    logs = tmp_path / "logs"
    content = write_segment(logs)
    begun, go_on = threading.Event(), threading.Event()

    class Slow(Store):
        def put(self, key, source):
            begun.set()
            assert go_on.wait(10)
            self._going()
            super().put(key, source)

    archive = tmp_path / "archive"
    thread = UpkeepThread(upkeep(logs, archive_url=f"file://{archive}", store=Slow), lambda _: None)
    thread.start()
    assert begun.wait(10)
    began = time.monotonic()
    assert not thread.stop(timeout=0.05)
    assert time.monotonic() - began < 5
    go_on.set()
    assert thread.stop(timeout=10)
    assert (logs / NAME).read_bytes() == content
    assert not list(tmp_path.rglob("archive/exposure/*/*"))
    assert upkeep(logs, archive_url=f"file://{archive}").pass_once() == []
    assert (archive / "exposure/2026-02-05" / NAME).read_bytes() == content


def test_a_process_ends_though_a_transfer_does_not(tmp_path):
    """A process whose archive does not answer ends at once when it is asked to."""
    write_segment(tmp_path)
    code = (
        "import sys, time; from recsys.eventlog.upkeep.passes import *\n"
        "from recsys.eventlog.writing.writer import LogSettings\n"
        "made = Upkeep({'exposure': LogSettings(path=sys.argv[1], archive_url='s3://logs/x')})\n"
        "thread = UpkeepThread(made, print); thread.start(); time.sleep(0.5); thread.stop(timeout=0.1); print('end')"
    )
    from socket import create_server

    with create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1"}
        env = {**os.environ, **keys, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
        began = time.monotonic()
        words = [sys.executable, "-c", code, f"{tmp_path}/"]
        run = subprocess.run(words, env=env, capture_output=True, text=True, check=False, timeout=30)
        assert (run.returncode, run.stdout, run.stderr) == (0, "end\n", "")
        assert time.monotonic() - began < 10
    assert (tmp_path / NAME).exists()


def test_stopping_is_an_end_and_no_message(tmp_path):
    """What a stop cuts short is not told as trouble."""
    write_segment(tmp_path)
    made = upkeep(tmp_path, compression="zstd")
    made.stop()
    assert made.pass_once() == []
    assert (tmp_path / NAME).exists()
    assert issubclass(StoppedError, Exception)


@pytest.mark.parametrize("packed", [False, True])
def test_the_lock_of_a_segment_is_its_writers(tmp_path, packed):
    """A segment is nobody's when no writer holds its lock; one that is packed has no lock any more."""
    _, writer = write_segment(tmp_path, close=False)
    with retention.closed(tmp_path / NAME) as is_closed:
        assert not is_closed
    writer.close()
    if packed:
        (tmp_path / NAME).rename(tmp_path / f"{NAME}.zst")
    with retention.closed(tmp_path / NAME) as is_closed:
        assert is_closed
