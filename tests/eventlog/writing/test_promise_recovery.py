"""P2 and P11: whatever a crash left of an index, recovery loses no line, and tells each loss once."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from broken_writers import promise
from log_world import NOON, World, claim
from recsys.errors import StorageError
from recsys.eventlog.audit.verify import verify_folder, verify_log
from recsys.eventlog.writing import index as indexes
from recsys.eventlog.writing.commit import Committer
from recsys.eventlog.writing.index import Alias, Gap, Header, Lines
from recsys.eventlog.writing.recovery import recover
from recsys.eventlog.writing.segment import index_of
from recsys.eventlog.writing.writer import LogWriter

GAP = Gap(lost=4, first=NOON, last=NOON + timedelta(seconds=9), reason="No space left on device")


def _recover(folder: Path) -> list[Gap]:
    """Recover, and all gaps that are told then."""
    list(recover(folder, "exposure", now=NOON))
    return [gap for path in sorted(folder.glob("*.index")) for gap in indexes.read(path).of(Gap)]


def _killed(base: Path) -> tuple[World, Path]:
    """A writer of 7 lines that was killed; with an alias, and a gap that was open."""
    world = World(base, LogWriter, folder=True)
    log = world.start()
    world.append(log, 4)
    log.note_alias(Alias(previous="a", current="b"))
    world.append(log, 3)
    log._place.pend(GAP)
    path = log.path
    world.kill()
    return world, path


def test_p11_a_recovery_whose_index_is_cut_anywhere(tmp_path):
    """The power goes while recovery writes its records: whichever of them are left, the next one tells the same."""
    world, path = _killed(tmp_path)
    before = index_of(path).read_bytes()
    lines = path.read_bytes().splitlines(keepends=True)
    content = b"".join(lines[:5]) + b'{"other":1}\n{"other":2}\n'  # two lines are gone, two others are there
    path.write_bytes(content)
    expected = _recover(world.logs)
    assert sorted(gap.lost for gap in expected) == [2, 4]
    whole = index_of(path).read_bytes()
    for cut in range(len(before), len(whole)):
        path.write_bytes(content)
        index_of(path).write_bytes(before + whole[len(before) : cut])
        found = _recover(world.logs)
        told = sorted((gap.lost, gap.first, gap.reason) for gap in found)
        assert told == sorted((gap.lost, gap.first, gap.reason) for gap in expected), cut
        assert path.read_bytes() == content
        seal = indexes.read(index_of(path)).sealed
        assert seal is not None
        assert seal.lines == 7


def test_p11_an_index_whose_header_is_damaged(tmp_path):
    """The records behind the header are kept: lines, aliases and gaps."""
    world, path = _killed(tmp_path)
    data = bytearray(index_of(path).read_bytes())
    data += indexes.encoded(GAP)
    data[: indexes.HEADER_BYTES - 1] = bytes(indexes.HEADER_BYTES - 1)
    index_of(path).write_bytes(data)
    assert _recover(world.logs) == [GAP]
    content = indexes.read(index_of(path))
    assert content.header is not None
    assert (content.header.file, content.header.sequence) == (path.name, 1)
    assert content.of(Alias) == [Alias(previous="a", current="b")]
    assert sum(len(record.lines) for record in content.of(Lines)) == 7
    world.check()


def test_p11_an_index_of_another_segment_tells_of_no_loss(tmp_path):
    """Lines of a foreign index are not counted as lost here."""
    world, path = _killed(tmp_path)
    other = world.logs / "exposure-2026-02-05.w7-3.jsonl"
    other.write_bytes(b'{"mine":1}\n')
    index_of(other).write_bytes(index_of(path).read_bytes())
    path.unlink()
    index_of(path).unlink()
    assert [gap.reason for gap in _recover(world.logs)] == [GAP.reason]
    seal = indexes.read(index_of(other)).sealed
    assert seal is not None
    assert seal.lines == 1


def test_p11_a_segment_without_lines_stays_for_its_gap(tmp_path):
    """Its writer recorded a gap at its end, and was killed before it could seal."""
    path = tmp_path / "exposure-2026-02-05.w-1.jsonl"
    path.touch()
    header = Header(log="exposure", file=path.name, writer="w", sequence=1, opened=NOON, pending=GAP)
    index_of(path).write_bytes(indexes.header_line(header) + indexes.encoded(GAP))
    for _ in range(2):
        assert _recover(tmp_path) == [GAP]
    header_now = indexes.read(index_of(path)).header
    assert header_now is not None
    assert not isinstance(header_now.pending, Gap)


def test_p9_who_comes_after_the_close_waits_for_nothing():
    """The thread is gone: an error, and no wait without end."""
    committer = Committer(lambda _lines: None)
    committer.submit_and_wait([b"x"])
    committer.close()
    with pytest.raises(StorageError, match="closed"):
        committer.submit_and_wait([b"y"])


def test_p9_a_call_that_fails_leaves_the_thread_at_work():
    """What is done between two batches ends no thread that lines wait for."""
    committer = Committer(lambda _lines: None)
    committer.call(lambda: next(iter(())))
    committer.submit_and_wait([b"x"])
    committer.close()


@promise("p11 a loss is told")
@pytest.mark.parametrize("folder", [True, False])
def test_p11_the_log_and_its_index_agree(tmp_path, writer, folder):
    """A log with a gap: `log verify` finds every acknowledged line where it was written, and the gap; nothing else."""
    world = World(tmp_path, writer, folder=folder)
    log = world.start()
    for number in range(12):
        if number == 4:
            world.disk.fill()
        if number == 6:
            world.disk.heal()
        world.append(log)
    log.close()
    found = list(verify_folder(world.logs, "exposure") if folder else verify_log(world.path))
    claim(not [fault for each in found for fault in each.faults], "there are faults")
    claim(sum(each.lines for each in found) == len(world.acknowledged) == 10, "a line is missing or there twice")
    claim([gap.lost for each in found for gap in each.gaps] == [2], "the gap is not told")


def test_p11_lines_that_a_power_cut_took_from_a_shared_file_are_a_gap(tmp_path):
    """Two writers are killed and the file is cut in the fourth of ten lines: the next writer records a gap for each of
    the two, of seven lines in all, and nothing is a fault; it does so once."""
    world = World(tmp_path, LogWriter, folder=False)
    one, two = world.start(), world.start()
    for number in range(10):
        world.append((one, two)[number % 2])
    world.kill()
    ends = [place for place, byte in enumerate(world.path.read_bytes(), 1) if byte == 10]
    os.truncate(world.path, ends[2] + 5)
    for _ in range(2):
        log = world.start()
        log.append(b'{"n":-1}')
        log.close()
        assert sorted(gap.lost for gap in world.gaps()) == [3, 4]
        (checked,) = verify_log(world.path)
        assert not checked.faults
        assert sum(gap.lost for gap in checked.gaps) == 7
