"""P3 and P5: a disk that is full, or takes half a line. Nothing partial stays, nobody else's lines are cut, and what is
in no log is counted."""

import errno
import json
import subprocess
import sys
from datetime import timedelta

import pytest

from broken_writers import promise
from log_world import World, claim
from model_files import Crash
from recsys.eventlog.writing import index as indexes
from recsys.eventlog.writing.recovery import recover
from recsys.eventlog.writing.segment import index_of
from recsys.eventlog.writing.writer import LogWriter

FAULTS = [errno.ENOSPC, "short", 0.999]


@promise("p3 short write in a folder")
@pytest.mark.parametrize("fsync", [False, True])
def test_p3_a_write_that_fails_in_a_folder(tmp_path, writer, fsync):
    """At the n-th write, for every n: an error, nothing of the lines stands, and the next ones are whole."""
    for at in range(1, 6):
        for fault in FAULTS:
            world = World(tmp_path / f"{at}-{fault}", writer, folder=True, fsync=fsync)
            log = world.start()
            world.disk.fail("write", at, fault)
            done = [world.append(log, 1 + n % 3) for n in range(6)]
            claim(done == [n != at for n in range(1, 7)], f"fault at {at}: {done}")
            world.check()
            claim(set(world.lines()) == set(world.acknowledged), "what was refused is not there")
            log.close()
            world.recover()
            world.check()


@promise("p3 short write in a file")
@pytest.mark.parametrize("fsync", [False, True])
def test_p3_a_write_that_fails_among_two_writers(tmp_path, writer, fsync):
    """In one file, another writer's lines are never cut along, and none is glued to what is left."""
    for at in range(1, 8):
        for fault in FAULTS:
            world = World(tmp_path / f"{at}-{fault}", writer, folder=False, fsync=fsync)
            logs = world.start(), world.start()
            world.disk.fail("write", at, fault)
            done = [world.append(logs[n % 2 if n < 4 else n // 2 % 2], 1 + n % 3) for n in range(8)]
            claim(done == [n != at for n in range(1, 9)], f"fault at {at}: {done}")
            world.check()
            claim(set(world.lines()) == set(world.acknowledged), "what was refused is not there")
            for log in logs:
                log.close()


@promise("p3 a cut that fails")
@pytest.mark.parametrize("folder", [True, False])
def test_p3_a_cut_that_fails_too(tmp_path, writer, folder):
    """Nothing is written behind what could not be cut: lines go to another segment, or wait until it is cut. In a
    folder, recovery takes away also the whole lines of it, for they were refused."""
    for at in range(1, 4):
        world = World(tmp_path / str(at), writer, folder=folder)
        log = world.start()
        calls = world.disk.calls

        def faults(name, number, at=at, calls=calls):
            if name == "ftruncate":
                return errno.EIO if calls.get("write", 0) <= at + 1 else None
            return 0.9 if name == "write" and number == at else None

        world.disk.faults = faults
        done = [world.append(log, 2) for _ in range(6)]
        claim(done.count(False) >= 1 and done[-1], f"fault at {at}: {done}")
        world.disk.heal()
        world.kill()
        world.recover()
        world.check()
        claim(not folder or not set(world.lines()) & set(world.refused), "a refused line is there")


LIMITED = """
import json, resource, signal, sys
from recsys.errors import StorageError
from recsys.eventlog.writing.writer import LogSettings, LogWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log = LogWriter(LogSettings(path=sys.argv[1], fsync=sys.argv[2] == "fsync"), log="exposure", writer="w1")
log.open()
def append(number):
    try:
        log.append(b'{"n":%d,"rest":"%s"}' % (number, b"x" * 100))
    except StorageError:
        return False
    return True
before = [append(n) for n in range(20)]
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, hard))
limited = [append(n) for n in range(20, 60)]
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
after = [append(n) for n in range(60, 80)]
log.close()
print(json.dumps([n for n, done in enumerate(before + limited + after) if done]))
"""


@pytest.mark.parametrize("fsync", ["fsync", "write"])
@pytest.mark.parametrize("folder", [True, False])
def test_p3_a_real_limit_of_the_file_size(tmp_path, folder, fsync):
    """Beyond RLIMIT_FSIZE the kernel cuts a write short: the line is refused and cut, and later ones are whole."""
    place = f"{tmp_path}/logs/" if folder else f"{tmp_path}/log.jsonl"
    run = subprocess.run([sys.executable, "-c", LIMITED, place, fsync], capture_output=True, text=True, check=True)
    acknowledged = json.loads(run.stdout)
    assert 20 < len(acknowledged) < 80
    logs = sorted((tmp_path / "logs").glob("*.jsonl")) if folder else [tmp_path / "log.jsonl"]
    found = [json.loads(line)["n"] for path in logs for line in path.read_bytes().splitlines()]
    assert found == acknowledged
    indexes_there = sorted(tmp_path.rglob("*.index"))
    gaps = [gap.lost for path in indexes_there for gap in indexes.read(path).of(indexes.Gap)]
    assert sum(gaps) == 80 - len(acknowledged)


@promise("p5 gap")
@pytest.mark.parametrize("on_error", ["serve", "fail"])
@pytest.mark.parametrize("fsync", [False, True])
@pytest.mark.parametrize("folder", [True, False])
def test_p5_a_full_disk_is_one_gap(tmp_path, writer, folder, fsync, on_error):
    """While there is no room the count stands in the header; then one gap tells how many are in no log, and from when
    to when. No restart is needed."""
    world = World(tmp_path, writer, folder=folder, fsync=fsync, on_error=on_error)
    log = world.start()
    world.append(log, 2)
    expected = []
    for episode in (3, 1):
        before = world.now
        world.disk.fill()
        for number in range(1, episode + 1):
            assert not world.append(log, 2)
            claim(world.pending() == 2 * number, f"the header counts {world.pending()} of {2 * number}")
        world.disk.heal()
        after = world.now
        claim(world.append(log) and log.writable, "it writes again")
        expected.append((2 * episode, before, after))
    claim(world.pending() == 0, "no gap is open")
    gaps = world.gaps()
    claim([gap.count for gap in gaps] == [count for count, _, _ in expected], f"gaps: {gaps}")
    for gap, (count, before, after) in zip(gaps, expected, strict=True):
        claim(before < gap.first <= gap.last <= after, f"{gap} is not between {before} and {after}")
        claim((gap.lost, gap.refused) == ((count, 0) if on_error == "serve" else (0, count)), f"{gap}")
    world.check()
    log.close()


@promise("p5 gap and kill")
@pytest.mark.parametrize("folder", [True, False])
def test_p5_a_gap_whose_writer_was_killed(tmp_path, writer, folder):
    """The count that stands in the header becomes a gap when the service starts anew, once."""
    world = World(tmp_path, writer, folder=folder)
    log = world.start()
    world.append(log)
    world.disk.fill()
    world.append(log, 3)
    world.append(log, 2)
    world.kill()
    world.disk.heal()
    for _ in range(2):
        world.recover()
        claim([gap.lost for gap in world.gaps()] == [5], f"gaps: {world.gaps()}")
        claim(world.pending() == 0, "no gap is open")
    world.check()


@pytest.mark.parametrize("folder", [True, False])
@pytest.mark.parametrize("fsync", [True, False])
def test_p5_killed_at_any_operation_while_a_gap_ends(tmp_path, folder, fsync):
    """Whether the gap was recorded, or taken over into a new segment, or neither yet: it is told once."""
    for number in range(1, 80):
        world = World(tmp_path / str(number), LogWriter, folder=folder, fsync=fsync)
        log = world.start()
        world.append(log)
        world.disk.fill()
        world.append(log, 3)
        world.disk.heal()
        world.disk.fail("fdatasync", 1, errno.EIO)
        world.now += timedelta(days=1)
        world.disk.crash_at = world.disk.operations + number
        crashed = True
        try:
            world.append(log)
            world.append(log)
            log.close()
            crashed = False
        except Crash:
            pass
        world.disk.heal()
        world.disk.crash_at = 0
        world.kill()
        world.recover()
        world.check()
        told = [gap.lost for gap in world.gaps()]
        claim((told, world.pending()) == ([3], 0), f"killed at operation {number}: gaps {told}, {world.pending()} open")
        if not crashed:
            return
    raise AssertionError("more operations than were tried")


def test_p5_a_gap_that_lasts_over_midnight(tmp_path):
    """It is taken along into the next day's segment, and told there, once; the sealed one's header is empty."""
    world = World(tmp_path, LogWriter, folder=True)
    log = world.start()
    world.append(log)
    world.disk.fill()
    world.append(log, 3)
    world.now += timedelta(days=1)
    world.append(log, 2)
    world.disk.heal()
    world.append(log)
    log.close()
    assert [gap.lost for gap in world.gaps()] == [5]
    assert world.pending() == 0
    assert len(world.files()) == 2
    world.check()


def test_p5_a_gap_over_midnight_that_nobody_lives_to_end(tmp_path):
    """Its count goes on in the header though the day is over, and is recorded once after a kill."""
    world = World(tmp_path, LogWriter, folder=True)
    log = world.start()
    world.append(log)
    world.disk.fill()
    world.append(log, 3)
    world.now += timedelta(days=1)
    log.tick()
    world.append(log, 2)
    assert world.pending() == 5
    world.kill()
    world.disk.heal()
    world.recover()
    assert [gap.lost for gap in world.gaps()] == [5]
    assert world.pending() == 0


@pytest.mark.parametrize("folder", [True, False])
@pytest.mark.parametrize("fsync", [True, False])
def test_p5_a_gap_of_a_writer_that_never_had_room(tmp_path, folder, fsync):
    """Where the disk was full from the start and has room again at the close, the gap is recorded all the same."""
    world = World(tmp_path, LogWriter, folder=folder, fsync=fsync)
    world.disk.fill()
    log = world.start()
    world.append(log, 3)
    world.disk.heal()
    log.close()
    assert [gap.lost for gap in world.gaps()] == [3]
    world.check()


def test_p5_a_gap_that_no_room_is_left_to_record_at_close(tmp_path):
    """Closed while the disk is full, the count stays in the header, and recovery tells it once."""
    world = World(tmp_path, LogWriter, folder=True)
    log = world.start()
    world.append(log)
    world.disk.fill()
    world.append(log, 4)
    log.close()
    assert world.pending() == 4
    world.disk.heal()
    list(recover(world.logs, "exposure", now=world.now))
    assert [gap.lost for gap in world.gaps()] == [4]
    assert world.pending() == 0
    world.check()


def test_p5_an_index_that_takes_nothing_for_a_while(tmp_path):
    """Lines whose index has no room are acknowledged; the index tells of them as soon as it can."""
    world = World(tmp_path, LogWriter, folder=True)
    log = world.start()
    world.append(log)
    world.disk.faults = lambda name, _number: errno.ENOSPC if name == "grow" else None
    for _ in range(5):
        assert world.append(log, 2)
    world.disk.heal()
    assert world.append(log)
    content = indexes.read(index_of(log.path))
    assert indexes.summed(content.records) == (log.path.stat().st_size, 12)
    log.close()
