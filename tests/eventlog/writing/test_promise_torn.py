"""P2: a record is whole, or it is not there. Logs are cut at every byte, and end in NULs and garbage."""

import os
import shutil
from pathlib import Path

import pytest

from broken_writers import promise, recovery_of
from log_world import NOON, World, claim
from model_files import Crash
from recsys.eventlog.writing import index as indexes
from recsys.eventlog.writing.recovery import recover
from recsys.eventlog.writing.segment import index_of, torn_of
from recsys.eventlog.writing.writer import LogWriter

TAILS = [b"\0", b"\0" * 5000, b'{"half', b"{}garbage", b"\xff" * 70_000, b"\0\0\n", b"garbage\nmore", b'{"a":1}x\n\0\n']


def _killed(base: Path) -> tuple[World, Path, bytes, bytes]:
    """A folder with one segment of a killed writer: the segment, its content and its index."""
    world = World(base, LogWriter, folder=True)
    log = world.start()
    for count in (1, 3, 2, 1):
        world.append(log, count)
    path = log.path
    world.kill()
    return world, path, path.read_bytes(), index_of(path).read_bytes()


def _recovered(
    world: World, path: Path, content: bytes, index: bytes | None, writer: type[LogWriter] = LogWriter
) -> None:
    """Put a segment there as a crash may have left it, recover it, and compare it with the content cut by hand."""
    for old in world.logs.iterdir():
        old.unlink()
    path.write_bytes(content)
    if index is not None:
        index_of(path).write_bytes(index)
    list(recovery_of(writer)(world.logs, "exposure", now=NOON))
    whole = content[: content.rfind(b"\n") + 1]
    torn = content[len(whole) :]
    there = path.read_bytes() if path.exists() else b""
    claim(there == whole, f"{there!r} in place of {whole!r}")
    kept = torn_of(path).read_bytes() if torn_of(path).exists() else b""
    claim(kept == (torn + b"\n" if torn else b""), f"kept {kept!r} of {torn!r}")


@promise("p2 cut anywhere in a folder")
@pytest.mark.parametrize("index", ["intact", "shorter", "missing"])
def test_p2_cut_at_every_byte_in_a_folder(tmp_path, index, writer):
    """Recovery keeps the whole records and, beside the log, what is torn; lines that are gone are a gap."""
    world, path, content, beside = _killed(tmp_path)
    all_lines = content.count(b"\n")
    for cut in range(len(content) + 1):
        kept = {"intact": beside, "shorter": beside[: len(beside) - 1 - cut % 500], "missing": None}[index]
        _recovered(world, path, content[:cut], kept, writer)
        found = indexes.read(index_of(path))
        lines = content[:cut].count(b"\n")
        claim(found.sealed is None or found.sealed.lines == lines, f"cut at {cut}: {found.sealed}")
        if index == "intact":
            lost = sum(gap.lost for gap in world.gaps())
            claim(lost == all_lines - lines, f"cut at {cut}: a gap of {lost}, {all_lines - lines} are gone")


def test_p2_an_index_cut_at_every_byte(tmp_path):
    """Whatever is left of the index, the segment keeps all its lines, and its seal counts them."""
    world, path, content, beside = _killed(tmp_path)
    for cut in [*range(0, indexes.HEADER_BYTES, 16), *range(indexes.HEADER_BYTES, len(beside) + 1)]:
        _recovered(world, path, content, beside[:cut])
        seal = indexes.read(index_of(path)).sealed
        claim(seal is not None and seal.lines == content.count(b"\n"), f"cut at {cut}: {seal}")
        claim(not world.gaps(), f"cut at {cut}: {world.gaps()}")


@pytest.mark.parametrize("tail", TAILS, ids=range(len(TAILS)))
@pytest.mark.parametrize("index", [True, False])
def test_p2_tails_in_a_folder(tmp_path, tail, index):
    """What a power cut puts behind the last record is cut off and kept, also where it has newlines of its own."""
    _, path, content, beside = _killed(tmp_path)
    path.write_bytes(content + tail)
    if not index:
        index_of(path).unlink()
    else:
        assert beside
    done = list(recover(path.parent, "exposure", now=NOON))
    assert [each.torn for each in done] == [len(tail)]
    assert path.read_bytes() == content
    assert torn_of(path).read_bytes() == tail + b"\n"


def test_p2_damage_with_records_behind_it_stays_and_is_told(tmp_path):
    """Nothing in a log is moved: records behind damage stay, and the index names the bytes that are none."""
    _, path, content, _ = _killed(tmp_path)
    index_of(path).unlink()
    path.write_bytes(content + b"\0\0\0\n" + b'{"n":99}\n')
    (done,) = recover(path.parent, "exposure", now=NOON)
    assert (done.damaged, done.torn) == (4, 0)
    assert path.read_bytes() == content + b"\0\0\0\n" + b'{"n":99}\n'
    (damaged,) = indexes.read(index_of(path)).of(indexes.Damaged)
    assert (damaged.at, damaged.bytes) == (len(content), 4)


@promise("p2 cut anywhere in a file")
def test_p2_cut_at_every_byte_in_a_file(tmp_path, writer):
    """The next writer of a shared log cuts the torn record, keeps it beside the log, and begins a line of its own."""
    content = b'{"n":1}\n{"n":22}\n\n{"n":333,"x":"\xc3\xa4"}\n'
    for cut in range(len(content) + 1):
        shutil.rmtree(tmp_path, ignore_errors=True)
        world = World(tmp_path, writer, folder=False)
        world.path.write_bytes(content[:cut])
        log = world.start()
        world.append(log)
        whole = content[: content[:cut].rfind(b"\n") + 1]
        claim(world.path.read_bytes() == whole + world.acknowledged[0] + b"\n", f"cut at {cut}")
        torn = torn_of(world.path)
        claim((torn.read_bytes() if torn.exists() else b"\n") == content[len(whole) : cut] + b"\n", f"cut at {cut}")
        log.close()


@promise("p2 another writer's fragment")
@pytest.mark.parametrize("tail", [b"\0" * 5000, b'{"half', b"\xff" * 70_000])
def test_p2_a_fragment_between_two_live_writers(tmp_path, writer, tail):
    """What another writer left torn, while this one was open, never swallows this one's next line."""
    world = World(tmp_path, writer, folder=False)
    one, other = world.start(), world.start()
    for log in (one, other, one, other):
        world.append(log)
        with world.path.open("ab") as file:
            file.write(tail)
    world.append(one)
    world.check()
    kept = torn_of(world.path)
    claim(kept.exists() and kept.read_bytes() == (tail + b"\n") * 4, "the torn bytes are kept")


def test_p2_recovery_that_is_killed_goes_on_where_it_was(tmp_path):
    """Killed at its n-th operation, for every n, and run again: the same lines, seals and gaps as of one run."""
    expected = None
    for number in range(60):
        base = tmp_path / str(number)
        world = World(base, LogWriter, folder=True)
        _leave_damage(world)
        world.disk.crash_at = world.disk.operations + number if number else 0
        finished = _crashes(world)
        world.disk.crash_at = 0
        world.recover()
        found = _state(world)
        expected = expected or found
        claim(found == expected, f"killed at operation {number}: {found} in place of {expected}")
        if finished and number:
            return
    raise AssertionError("recovery takes more operations than were tried")


def _crashes(world: World) -> bool:
    try:
        world.recover()
    except Crash:
        return False
    return True


def _leave_damage(world: World) -> None:
    """A torn segment with a gap that is open, one that lost lines, and one without its index."""
    log = world.start()
    world.append(log, 2)
    world.disk.fill()
    world.append(log, 3)
    with log.path.open("ab") as file:
        file.write(b'{"torn')
    world.kill()
    world.disk.heal()
    log = world.start()
    world.append(log, 2)
    world.append(log, 1)
    os.truncate(log.path, log.path.stat().st_size - 1)
    world.kill()
    log = world.start()
    world.append(log, 1)
    index_of(log.path).unlink()
    world.kill()


def _state(world: World) -> list[object]:
    seals = [indexes.read(index_of(path)).sealed for path in world.files()]
    told = [(gap.lost, gap.refused, gap.reason) for gap in world.gaps()]
    return [world.lines(), [(seal.lines, seal.crc) for seal in seals if seal], told, world.pending()]
