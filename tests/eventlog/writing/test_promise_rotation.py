"""P7: the turn of a day, a segment that is full and sealing lose nothing, wherever the process is killed."""

import errno
import random
from datetime import timedelta
from pathlib import Path

import pytest

from broken_writers import promise
from log_world import World, claim
from model_files import Crash
from recsys.eventlog.audit.verify import verify_folder
from recsys.eventlog.writing import index as indexes
from recsys.eventlog.writing.segment import index_of, parse
from recsys.eventlog.writing.writer import LogWriter

OPERATIONS = 120


def _around_midnight(world: World) -> None:
    """Lines before and after midnight, with a segment that gets full, a day without lines, and a close."""
    log = world.start()
    world.append(log, 2)
    world.append(log, 2)
    world.now += timedelta(days=1)
    world.append(log, 3)
    world.append(log, 1)
    log.tick()
    world.now += timedelta(days=1)
    log.tick()
    world.append(log, 1)
    log.close()


def _killed_at(world: World, operation: int) -> bool:
    """Whether the process was killed at this operation; it may have come to its end before."""
    world.disk.crash_at = operation
    try:
        _around_midnight(world)
    except Crash:
        return True
    finally:
        world.disk.crash_at = 0
        world.kill()
    return False


def _faults(world: World) -> list[str]:
    return [str(fault) for checked in verify_folder(world.logs, "exposure") for fault in checked.faults]


@promise("p7 killed at midnight")
@pytest.mark.parametrize("fsync", [False, True])
def test_p7_killed_at_any_operation_around_midnight(tmp_path, writer, fsync):
    """For every n: what was acknowledged is there once, everything is sealed, and the index agrees with the log."""
    for number in range(1, OPERATIONS):
        world = World(tmp_path / str(number), writer, folder=True, fsync=fsync, segment_bytes=100)
        killed = _killed_at(world, number)
        world.recover()
        world.check()
        for path in world.files():
            claim(indexes.read(index_of(path)).sealed is not None, f"killed at {number}: {path.name} has no seal")
        claim(not _faults(world), f"killed at {number}: {_faults(world)}")
        if not killed:
            return
    raise AssertionError("more operations than were tried")


@promise("p7 sealed")
def test_p7_a_sealed_segment_survives_a_power_cut_whole(tmp_path, writer):
    """Also of a log that is not flushed line by line: what its index calls sealed is on the disk."""
    for number in range(1, OPERATIONS):
        world = World(tmp_path / str(number), writer, folder=True, segment_bytes=100)
        _killed_at(world, number)
        sealed = {}
        for path in world.files():
            seal = indexes.read(index_of(path)).sealed
            if seal is not None and str(path) in _durably_sealed(world, path):
                sealed[path] = path.read_bytes()
        world.disk.power_cut(random.Random(number))
        for path, content in sealed.items():
            found = path.read_bytes() if path.exists() else None
            claim(found == content, f"{path.name} is sealed, and holds {found!r} in place of {content!r}")


def _durably_sealed(world: World, path: Path) -> set[str]:
    """The segment, where the seal in its index is on the disk."""
    file = world.disk._known(index_of(path))
    return {str(path)} if b'"record":"seal"' in file.synced else set()


def test_p7_segments_are_named_by_day_writer_and_number(tmp_path):
    """Numbers of a writer have no holes, through days, full segments and failures to begin one."""
    world = World(tmp_path, LogWriter, folder=True, segment_bytes=100)
    log = world.start()
    for day in range(4):
        world.append(log, 3)
        world.disk.fail("open", 1, errno.ENOSPC)
        world.now += timedelta(days=day % 2)
        world.append(log, 3)
    world.append(log)
    log.close()
    names = [parse(path.name) for path in world.files()]
    numbers = sorted(int(name.writer.rpartition("-")[2]) for name in names if name is not None)
    assert numbers == list(range(1, len(numbers) + 1))
    assert len({name.day for name in names if name is not None}) == 3
    assert not _faults(world)
    world.check()


def test_p7_an_empty_segment_between_two_others_stays(tmp_path):
    """Taken away, it would read as a segment that somebody removed; the last one stays for its gap."""
    world = World(tmp_path, LogWriter, folder=True)
    log = world.start()
    for _ in range(2):
        world.append(log)
        world.now += timedelta(days=1)
        world.disk.faults = lambda name, _number: {"write": "short", "ftruncate": errno.EIO}.get(name)
        world.append(log)
        world.disk.heal()
    world.kill()
    world.recover()
    assert not _faults(world)
    assert [path.stat().st_size > 0 for path in world.files()] == [True, False, True, False]
    assert [gap.lost for gap in world.gaps()] == [1, 1]
    world.check()


def test_p7_a_seal_that_fails_is_made_up_for(tmp_path):
    """A segment whose flush fails at its end has no seal; recovery gives it one."""
    world = World(tmp_path, LogWriter, folder=True)
    log = world.start()
    world.append(log, 2)
    path = log.path
    world.disk.fail("fdatasync", 1, errno.EIO)
    log.close()
    assert indexes.read(index_of(path)).sealed is None
    world.kill()
    world.recover()
    seal = indexes.read(index_of(path)).sealed
    assert seal is not None
    assert seal.lines == 2
    world.check()
