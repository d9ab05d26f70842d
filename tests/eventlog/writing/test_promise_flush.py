"""P4, P9 and P10: a flush that fails is never asked again; what waits is written at the end; a slow disk holds back."""

import asyncio
import contextlib
import errno
import threading
from pathlib import Path

import pytest

from broken_writers import promise
from log_world import World, claim
from model_files import Crash
from recsys.eventlog.writing import writer as writers
from recsys.eventlog.writing.writer import LogWriter

SEEDS = range(6)


def _fail_flushes(base: Path, writer: type[LogWriter], *, folder: bool, function: str, writers: int = 1) -> None:
    """The n-th flush fails, and in another run the one after it too; then the power goes."""
    for at in range(1, 8):
        for times in (1, 2):
            for seed in SEEDS:
                world = World(base / f"{at}-{times}-{seed}", writer, folder=folder, fsync=True, segment_bytes=120)
                logs = [world.start() for _ in range(writers)]
                world.disk.fail(function, at, errno.EIO, times=times)
                for number in range(8):
                    world.append(logs[number % writers], 1 + number % 2)
                world.disk.heal()
                for log in logs:
                    claim(world.append(log), "it writes again")
                world.check(whole=False)
                world.power_cut(seed)
                world.recover()
                world.check(whole=False)


@promise("p4 failed flush in a folder")
def test_p4_a_failed_flush_in_a_folder(tmp_path, writer):
    """Whichever flush fails, after a power cut each acknowledged line is there once; the descriptor is left alone."""
    _fail_flushes(tmp_path, writer, folder=True, function="fdatasync")


@promise("p4 failed flush in a file")
def test_p4_a_failed_flush_in_a_file(tmp_path, writer):
    """The same for a log that is one file: it is set aside under another name, and a fresh one begun."""
    _fail_flushes(tmp_path, writer, folder=False, function="fdatasync")


def _kill_after_a_failed_flush(base: Path, writer: type[LogWriter], *, folder: bool) -> None:
    """A writer is killed at each operation after its flush has failed, another takes over, and the power goes."""
    for after in range(1, 9):
        for seed in SEEDS:
            world = World(base / f"{after}-{seed}", writer, folder=folder, fsync=True)
            first = world.start()
            world.append(first, 3)
            world.disk.fail("fdatasync", 1, errno.EIO)
            world.disk.crash_at = world.disk.operations + 2 + after  # the write and the flush come before
            with contextlib.suppress(Crash):
                first._commit(world.new_lines(2))
            world.kill(first)
            world.disk.crash_at = 0
            world.disk.heal()
            if folder:
                world.recover()
            claim(world.append(world.start(), 2), "the next one writes")
            world.power_cut(seed)
            world.recover()
            world.check(whole=False)


def test_p4_a_kill_after_a_failed_flush_in_a_folder(tmp_path):
    """What the second writer acknowledged can be read, for it has a segment of its own."""
    _kill_after_a_failed_flush(tmp_path, LogWriter, folder=True)


@promise("p4 killed after a failed flush in a file")
def test_p4_a_kill_after_a_failed_flush_in_a_file(tmp_path, writer):
    """What the second writer acknowledged can be read, though it stands behind what the first one lost."""
    _kill_after_a_failed_flush(tmp_path, writer, folder=False)


@pytest.mark.parametrize("folder", [True, False])
def test_p4_any_other_flush_that_fails(tmp_path, folder):
    """Flushes of folders, indexes and lengths fail: what was acknowledged all the same is there once."""
    _fail_flushes(tmp_path, LogWriter, folder=folder, function="fsync")


def test_p4_two_writers_of_one_file(tmp_path):
    """The other writer's lines behind the ones that failed stay, and both go on in the fresh file."""
    _fail_flushes(tmp_path, LogWriter, folder=False, function="fdatasync", writers=2)


def test_p4_lines_behind_those_whose_flush_failed(tmp_path):
    """Two writers are in one file when the flush of the first fails: the second is told too; both go on elsewhere."""
    for seed in SEEDS:
        world = World(tmp_path / str(seed), LogWriter, folder=False, fsync=True)
        one, other = world.start(), world.start()
        for log in (one, other, one, other):
            world.append(log)
        written, failed = threading.Event(), threading.Event()
        world.processes[other].on_flush = lambda s=written, w=failed: (s.set(), w.wait(10))
        behind = threading.Thread(target=world.append, args=(other,))
        world.processes[one].on_flush = lambda s=written, b=behind: (b.start(), s.wait(10))
        world.disk.fail("fdatasync", 1, errno.EIO)
        assert not world.append(one)
        world.processes[one].on_flush = lambda: None
        failed.set()
        behind.join()
        assert len(world.refused) == 2
        assert all(world.append(log) for log in (one, other, one))
        assert len(world.files()) == 2
        world.power_cut(seed)
        world.recover()
        world.check(whole=False)


@pytest.mark.parametrize("folder", [True, False])
def test_p4_a_failed_flush_costs_no_request(tmp_path, folder):
    """The lines go to a fresh file, and nobody is told of an error; those that fail twice are refused, and counted."""
    world = World(tmp_path, LogWriter, folder=folder, fsync=True)
    log = world.start()
    world.append(log)
    world.disk.fail("fdatasync", 1, errno.EIO)
    assert world.append(log, 2)
    assert len(world.files()) == 2
    assert not world.gaps()
    world.disk.fail("fdatasync", 1, errno.EIO, times=2)
    assert not world.append(log, 3)
    assert world.pending() == 3
    world.disk.heal()
    assert world.append(log)
    assert [gap.lost for gap in world.gaps()] == [3]
    log.close()
    world.recover()
    world.check()
    assert set(world.lines()) == set(world.acknowledged)


def test_p4_two_failures_at_one_moment_keep_both_files(tmp_path, monkeypatch):
    """A file that is set aside is never renamed over another, also where the clock stands."""
    world = World(tmp_path, LogWriter, folder=False, fsync=True)
    monkeypatch.setattr(world, "_clock", lambda: world.now)
    log = world.start()
    for _ in range(3):
        world.append(log)
        world.disk.fail("fdatasync", 1, errno.EIO)
        world.append(log)
    assert len(world.files()) == 4
    world.check()
    log.close()


@promise("p9 close")
@pytest.mark.parametrize("folder", [True, False])
def test_p9_close_writes_what_waits(tmp_path, writer, folder):
    """Lines that wait while the log is closed are in it, each waiter is answered, and who comes later is told."""
    world = World(tmp_path, writer, folder=folder, fsync=True)
    log = world.start()
    lines = world.new_lines(50)
    world.disk.delay = 0.05

    async def hurry() -> None:
        tasks = [asyncio.ensure_future(log.append_durable(lines[0]))]
        await asyncio.sleep(0.01)  # it is being flushed; the others wait
        tasks += [asyncio.ensure_future(log.append_durable(line)) for line in lines[1:]]
        await asyncio.sleep(0)
        await asyncio.to_thread(log.close)
        await asyncio.wait_for(asyncio.gather(*tasks), 10)

    asyncio.run(hurry())
    world.acknowledged += lines
    world.check()
    world.power_cut(0)
    world.recover()
    world.check()


@promise("p10 slow disk")
def test_p10_a_slow_disk_holds_back(tmp_path, writer):
    """Never more than ``max_waiting`` lines wait where callers ask for room first; all that were taken are there."""
    world = World(tmp_path, writer, folder=True, fsync=True, max_waiting=20)
    world.disk.delay = 0.02
    log = world.start()
    most = turned_away = 0

    async def request(line: bytes) -> None:
        nonlocal most, turned_away
        most = max(most, log.waiting)
        if not log.has_room:
            turned_away += 1
            return
        await log.append_durable(line)
        world.acknowledged.append(line)

    async def crowd() -> None:
        for _ in range(10):
            await asyncio.gather(*[request(line) for line in world.new_lines(50)])
        world.disk.delay = 0
        await asyncio.gather(*[request(line) for line in world.new_lines(10)])

    asyncio.run(crowd())
    claim(most <= 20, f"{most} lines waited, 20 may")
    claim(turned_away > 0, "nobody was turned away")
    claim(log.has_room and log.waiting == 0, "room again once the disk is quick")
    world.check()
    log.close()


def test_p10_bytes_that_wait_are_bounded_too(tmp_path, monkeypatch):
    """A few long lines fill the room as many short ones do."""
    monkeypatch.setattr(writers, "MAX_WAITING_BYTES", 10_000)
    world = World(tmp_path, LogWriter, folder=True, fsync=True)
    world.disk.delay = 0.1
    log = world.start()

    async def one() -> None:
        waiting = asyncio.ensure_future(log.append_durable(b'{"x":"%s"}' % (b"x" * 10_000)))
        await asyncio.sleep(0.01)
        assert not log.has_room
        await waiting
        assert log.has_room

    asyncio.run(one())
    log.close()


@pytest.mark.parametrize("fsync", [True, False])
@pytest.mark.parametrize("folder", [True, False])
def test_no_descriptor_is_left_open(tmp_path, folder, fsync):
    """After faults of every kind and a close, the process has as many files open as before."""

    def count() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = count()
    for function in ("open", "close", "write", "pwrite", "ftruncate", "fdatasync", "fsync", "rename", "unlink"):
        for at in range(1, 9):
            world = World(tmp_path / f"{function}{at}", LogWriter, folder=folder, fsync=fsync, segment_bytes=60)
            world.disk.fail(function, at, errno.ENOSPC)
            log = world.start()
            for number in range(6):
                world.append(log)
                if number == 3 and not folder and log.path.is_file():
                    with log.path.open("ab") as file:
                        file.write(b"torn")
            log.tick()
            log.close()
            left = list(world.processes[log]._open.values())
            assert not left or function == "close", f"{function} {at}: {left}"
            world.check()
            world.kill()
            world.recover()
            world.check()
            world.kill()
    assert count() == before
