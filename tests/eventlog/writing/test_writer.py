"""Writing logs: whole lines or none, by many processes, over days, crashes and full disks."""

import asyncio
import errno
import functools
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from recsys.errors import ConfigError, StorageError
from recsys.eventlog.writing import index as indexes
from recsys.eventlog.writing.index import Alias
from recsys.eventlog.writing.segment import index_of
from recsys.eventlog.writing.writer import LogSettings, LogWriter


def _logs(folder: Path) -> list[str]:
    """The files of a folder without the indexes beside them."""
    return sorted(file.name for file in folder.iterdir() if file.suffix != ".index")


NOON = datetime(2026, 2, 5, 12, tzinfo=UTC)


class Files:
    """The functions of ``os`` that a writer uses, some of which can be made to fail."""

    def __init__(self) -> None:
        self.flushes = 0
        self.writes: list[int] = []
        self.short = 0
        self.broken: set[str] = set()

    def _call(self, name: str, *arguments):
        if name in self.broken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return getattr(os, name)(*arguments)

    def __getattr__(self, name: str):
        return functools.partial(self._call, name)

    def fdatasync(self, fd):
        self.flushes += 1
        return self._call("fdatasync", fd)

    def write(self, fd, data):
        self.writes.append(len(data))
        if self.short:
            return os.write(fd, data[: self.short])
        return self._call("write", fd, data)


def opened(path, *, log="exposure", writer="w1", clock=lambda: NOON, files: Any = os, **settings) -> LogWriter:
    made = LogWriter(LogSettings(path=str(path), **settings), log=log, writer=writer, clock=clock, files=files)
    made.open()
    return made


def test_a_line_is_there_when_append_returns(tmp_path):
    """Each line is in the file before the call returns, and missing folders are made."""
    path = tmp_path / "new" / "log.jsonl"
    log = opened(path)
    for number in range(3):
        log.append(b"line %d" % number)
        assert path.read_bytes() == b"".join(b"line %d\n" % n for n in range(number + 1))
    log.close()
    log.close()


APPEND = """
import sys
from recsys.eventlog.writing.writer import LogSettings, LogWriter
path, name = sys.argv[1:]
log = LogWriter(LogSettings(path=path), log="exposure", writer=name)
log.open()
for number in range(1500):
    log.append(b'{"writer":"%s","number":%d,"rest":"%s"}' % (name.encode(), number, b"x" * (number * 37 % 9000)))
log.close()
"""


def test_processes_never_interleave_in_one_file(tmp_path):
    """Four processes append lines of up to 9 kB to one file: every line is whole, in the order of its writer."""
    path = tmp_path / "log.jsonl"
    processes = [subprocess.Popen([sys.executable, "-c", APPEND, str(path), f"w{n}"]) for n in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    seen: dict[str, list[int]] = {}
    for line in path.read_bytes().splitlines():
        record = json.loads(line)
        assert len(record["rest"]) == record["number"] * 37 % 9000
        seen.setdefault(record["writer"], []).append(record["number"])
    assert seen == {f"w{n}": list(range(1500)) for n in range(4)}
    assert not path.with_name("log.jsonl.torn").exists()


@pytest.mark.parametrize("torn", [b'{"half', b"x" * 200_000, b"\0" * 5])
@pytest.mark.parametrize("whole", [b"", b"one\n", b"one\ntwo\n" * 20_000])
def test_a_torn_tail_is_cut_and_kept(tmp_path, whole, torn):
    """What a crash left behind the last newline goes to *.torn; the next record begins a line of its own."""
    path = tmp_path / "log.jsonl"
    path.write_bytes(whole + torn)
    log = opened(path)
    log.append(b"next")
    assert path.read_bytes() == whole + b"next\n"
    assert path.with_name("log.jsonl.torn").read_bytes() == torn + b"\n"


def test_a_whole_log_is_left_as_it_is(tmp_path):
    """A log that ends in a newline is appended to, and there is no *.torn."""
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"one\n")
    opened(path).close()
    opened(path).close()
    assert _logs(tmp_path) == ["log.jsonl"]
    assert path.read_bytes() == b"one\n"


def test_a_folder_has_a_file_for_each_day_and_writer(tmp_path):
    """At midnight UTC the next line opens the next day's file."""
    now = NOON
    logs = [opened(f"{tmp_path}/logs/", writer=name, clock=lambda: now) for name in ("a", "b")]
    for moment in (NOON, NOON + timedelta(hours=11, minutes=59), NOON + timedelta(hours=12)):
        now = moment
        for log in logs:
            log.append(moment.isoformat().encode())
    names = {name: (tmp_path / "logs" / name).read_bytes().count(b"\n") for name in _logs(tmp_path / "logs")}
    assert names == {
        "exposure-2026-02-05.a-1.jsonl": 2,
        "exposure-2026-02-05.b-1.jsonl": 2,
        "exposure-2026-02-06.a-2.jsonl": 1,
        "exposure-2026-02-06.b-2.jsonl": 1,
    }
    assert logs[0].path.name == "exposure-2026-02-06.a-2.jsonl"
    assert all((tmp_path / "logs" / f"{name}.index").exists() for name in names)
    for log in logs:
        log.close()


def test_a_segment_is_made_with_its_first_line(tmp_path):
    """A writer that is opened and closed leaves an empty folder."""
    log = opened(f"{tmp_path}/logs/")
    assert log.opened is None
    log.close()
    assert list((tmp_path / "logs").iterdir()) == []


@pytest.mark.parametrize("fsync", [False, True])
def test_a_day_without_lines_closes_the_segment(tmp_path, fsync):
    """Midnight seals the segment at the next tick, though no line comes; the next line begins another."""
    now = NOON
    log = opened(f"{tmp_path}/", clock=lambda: now, fsync=fsync)
    log.append(b'{"n":1}')
    first = log.path
    log.tick()
    assert log.path == first
    now += timedelta(days=1)
    log.tick()
    log.append(b'{"n":2}')
    log.close()
    seal = indexes.read(index_of(first)).sealed
    assert seal is not None
    assert (seal.lines, seal.bytes) == (1, 8)
    assert first.read_bytes() == b'{"n":1}\n'


def test_lines_of_one_call_stand_together(tmp_path):
    """Several lines are written at once, in their order; none are nothing."""
    files = Files()
    log = opened(tmp_path / "log.jsonl", files=files)
    log.append(b"one", b"two")
    asyncio.run(log.append_durable(b"three", b"four"))
    log.append()
    assert log.path.read_bytes() == b"one\ntwo\nthree\nfour\n"
    assert files.writes == [8, 11]
    log.close()


def test_aliases_stand_in_the_index(tmp_path):
    """What a subject was known by before goes into the index with the next lines, from whatever thread."""
    for place in (tmp_path / "log.jsonl", f"{tmp_path}/logs/"):
        log = opened(place, fsync=True)
        log.note_alias(Alias(previous="a", current="b"))
        log.append(b"{}")
        index = index_of(log.path) if log.path.suffix == ".jsonl" and log.path.parent.name == "logs" else None
        path = index or next(tmp_path.glob("log.jsonl.*.index"))
        assert indexes.read(path).of(Alias) == [Alias(previous="a", current="b")]
        log.close()


def test_retention_beside_a_file_is_refused(tmp_path):
    """The message names the variable and both ways out."""
    for log in ("exposure", "outcome", "assignment"):
        with pytest.raises(ConfigError, match=f"{log.upper()}_LOG_RETENTION_DAYS.*logrotate"):
            opened(tmp_path / "log.jsonl", log=log, retention_days=30)
    assert not list(tmp_path.iterdir())


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines()


@pytest.mark.parametrize("folder", [False, True])
@pytest.mark.parametrize("fault", ["write", "short", "ftruncate"])
def test_a_write_that_fails_leaves_no_partial_line(tmp_path, folder, fault):
    """A full disk is a StorageError that names the log; what follows is whole again."""
    files = Files()
    log = opened(f"{tmp_path}/" if folder else tmp_path / "log.jsonl", files=files)
    log.append(b"before")
    if fault == "write":
        files.broken = {"write"}
    else:
        files.short = 3
    if fault == "ftruncate":
        files.broken = {"ftruncate"}
    with pytest.raises(StorageError, match=r"exposure log cannot be written.*EXPOSURE_LOG_PATH") as raised:
        log.append(b"lost line")
    assert str(log.path) in str(raised.value)
    assert not log.writable
    if fault != "ftruncate":
        assert log.path.read_bytes() == b"before\n"
    files.short, files.broken = 0, set()
    log.append(b"after")
    lines = [line for name in _logs(tmp_path) if name.endswith("l") for line in _lines(tmp_path / name)]
    rest = [b"los"] if fault == "ftruncate" and folder else []  # nothing is written behind it: lines go elsewhere
    assert lines == [b"before", *rest, b"after"]
    assert log.writable
    log.close()


def test_a_log_that_cannot_be_opened(tmp_path):
    """A file in place of a folder, or a folder that cannot be made, is one StorageError at the start."""
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "log.jsonl", f"{tmp_path}/file/logs/", "/proc/none/log.jsonl"):
        with pytest.raises(StorageError, match="cannot be written"):
            opened(path)


def test_a_renamed_or_removed_file_is_followed(tmp_path):
    """After logrotate has renamed the file, or someone removed it, lines go to a new one: the next, in a folder after a
    second."""
    now = NOON

    def later() -> datetime:
        nonlocal now
        now += timedelta(seconds=2)
        return now

    for place in (tmp_path / "log.jsonl", f"{tmp_path}/logs/"):
        log = opened(place, clock=later)
        log.append(b"one")
        log.path.rename(log.path.with_suffix(".1"))
        old = log.path.with_suffix(".1")
        log.append(b"two")
        assert old.read_bytes() == b"one\n"
        assert log.path.read_bytes() == b"two\n"
        log.path.unlink()
        log.append(b"three")
        assert log.path.read_bytes() == b"three\n"
        log.close()


def test_group_commit_is_one_write_and_one_flush_for_many(tmp_path):
    """A hundred waiting lines are flushed before any waiter returns, in far fewer flushes than lines."""
    files = Files()
    log = opened(tmp_path / "log.jsonl", files=files, fsync=True)
    assert log.durable

    async def one(number: int) -> None:
        await log.append_durable(b"line %d" % number)
        assert files.flushes
        assert b"line %d\n" % number in (tmp_path / "log.jsonl").read_bytes()

    async def many() -> None:
        await asyncio.gather(*[one(number) for number in range(100)])

    asyncio.run(many())
    log.close()
    assert len(files.writes) == files.flushes < 100
    assert (tmp_path / "log.jsonl").read_bytes().splitlines() == [b"line %d" % number for number in range(100)]


def test_without_fsync_nothing_is_flushed(tmp_path):
    """Plain appends cost one write each and no flush."""
    files = Files()
    log = opened(tmp_path / "log.jsonl", files=files)
    asyncio.run(log.append_durable(b"one"))
    assert (len(files.writes), files.flushes) == (1, 0)


def test_every_waiter_is_told_of_a_failed_commit(tmp_path):
    """Flushes that fail are a StorageError for each line of the batch, and the next batch goes through."""
    files = Files()
    log = opened(tmp_path / "log.jsonl", files=files, fsync=True)

    async def batch() -> list:
        return await asyncio.gather(*[log.append_durable(b"x") for _ in range(20)], return_exceptions=True)

    files.broken = {"fdatasync"}
    assert {type(answer) for answer in asyncio.run(batch())} == {StorageError}
    files.broken = set()
    assert asyncio.run(batch()) == [None] * 20
    log.close()


def test_a_waiter_that_went_away_does_not_stop_the_log(tmp_path):
    """A cancelled request, or a loop that is closed, leaves the commit thread at work."""
    log = opened(tmp_path / "log.jsonl", fsync=True)

    async def leave() -> None:
        waiting = asyncio.ensure_future(log.append_durable(b"gone"))
        await asyncio.sleep(0)
        waiting.cancel()

    for _ in range(20):
        asyncio.run(leave())
    asyncio.run(asyncio.wait_for(log.append_durable(b"here"), 10))
    log.close()
    assert (tmp_path / "log.jsonl").read_bytes().endswith(b"here\n")


def test_close_writes_what_waits(tmp_path):
    """Lines that were handed over are in the file after close."""
    log = opened(tmp_path / "log.jsonl", fsync=True)

    async def hurry() -> None:
        tasks = [asyncio.ensure_future(log.append_durable(b"x")) for _ in range(50)]
        await asyncio.sleep(0)
        log.close()
        await asyncio.wait_for(asyncio.gather(*tasks), 10)

    asyncio.run(hurry())
    assert (tmp_path / "log.jsonl").read_bytes() == b"x\n" * 50


def test_a_killed_writer_leaves_whole_lines(tmp_path):
    """After kill -9 in mid-write, the next writer's log holds whole lines only."""
    path = tmp_path / "log.jsonl"
    code = APPEND.replace("range(1500)", "range(10**9)")
    process = subprocess.Popen([sys.executable, "-c", code, str(path), "w"])
    while not (path.exists() and path.stat().st_size > 1_000_000):
        assert process.poll() is None
    process.kill()
    process.wait()
    log = opened(path)
    log.append(b'{"number":-1}')
    numbers = [json.loads(line)["number"] for line in path.read_bytes().splitlines()]
    assert numbers == [*range(len(numbers) - 1), -1]


def test_the_settings_tell_files_from_folders(tmp_path):
    """A path is a folder when it ends in / or is one already."""
    assert LogSettings(path=str(tmp_path)).is_folder
    assert LogSettings(path="new/").is_folder
    assert not LogSettings(path=str(tmp_path / "log.jsonl")).is_folder
    assert Path(f"{tmp_path}/x/").name == "x"
