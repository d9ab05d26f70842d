"""The indexes of a log that is one file go when the files that they tell of are gone, and not before."""

import gzip
import json
import os
from datetime import UTC, datetime, timedelta

import pytest

from recsys.eventlog.audit.verify import verify_log
from recsys.eventlog.upkeep.passes import Upkeep
from recsys.eventlog.writing import index as indexes
from recsys.eventlog.writing.index import Gap
from recsys.eventlog.writing.shared import indexes_of
from recsys.eventlog.writing.writer import LogSettings, LogWriter

NOON = datetime(2026, 2, 5, 12, tzinfo=UTC)


class Log:
    """A log that is one file, on days that pass, rotated as logrotate does."""

    def __init__(self, folder):
        self.path = folder / "exposures.jsonl"
        self.settings = LogSettings(path=str(self.path))
        self.now = NOON
        self.writers = 0
        self.lines = 0

    def clock(self):
        self.now += timedelta(milliseconds=1)
        return self.now

    def start(self):
        """A writer of a process of its own."""
        self.writers += 1
        made = LogWriter(self.settings, log="exposure", writer=f"w{self.writers}", clock=self.clock)
        made.open()
        return made

    def write(self, *writers):
        """Three lines of each."""
        for writer in writers * 3:
            self.lines += 1
            writer.append(json.dumps({"n": self.lines}).encode())

    def rotate(self, kept=9, *, packed=False):
        """Every file gets the next number; the oldest goes."""
        self.now += timedelta(days=1)
        end = ".gz" if packed else ""
        for number in range(9, 0, -1):
            old = self.path.with_name(f"{self.path.name}.{number}{end}")
            if old.exists():
                old.rename(self.path.with_name(f"{self.path.name}.{number + 1}{end}"))
        first = self.path.with_name(f"{self.path.name}.1{end}")
        if packed:
            first.write_bytes(gzip.compress(self.path.read_bytes()))
            self.path.unlink()
        else:
            self.path.rename(first)
        self.path.with_name(f"{self.path.name}.{kept + 1}{end}").unlink(missing_ok=True)

    def prune(self, upkeep=None):
        """One pass of the upkeep; the indexes that are left, by the writer."""
        told = (upkeep or Upkeep({"exposure": self.settings}, clock=self.clock)).pass_once()
        assert all("are gone; removed" in message for message in told)
        return [index.name.removeprefix("exposures.jsonl.").removesuffix(".index") for index in indexes_of(self.path)]

    def faults(self):
        """What `log verify` finds."""
        return [str(fault) for checked in verify_log(self.path) for fault in checked.faults]


@pytest.fixture
def log(tmp_path):
    return Log(tmp_path)


@pytest.mark.parametrize("packed", [False, True])
def test_an_index_goes_with_its_files(log, packed):
    """With two rotated files kept, the indexes of processes whose files are gone go, those of others stay, and the log
    is without faults; so it is where rotation compresses."""
    for day in range(1, 6):
        writer = log.start()
        log.write(writer)
        writer.close()
        log.rotate(kept=2, packed=packed)
        left = log.prune() if day == 5 else []
    assert left == [f"w{n}-1" for n in range(1, 6)]  # no file has the log's name now: nothing is known to be old
    writer = log.start()
    log.write(writer)
    assert log.prune() == ["w4-1", "w5-1", "w6-1"]
    assert log.faults() == []
    writer.close()


def test_a_living_writer_begins_an_index_with_each_file(log):
    """So those of a process that lives for months go too; the one that it writes to never does."""
    writer, other = log.start(), log.start()
    for _ in range(4):
        log.write(writer, other)
        log.rotate(kept=1)
    log.write(writer)
    assert log.prune() == ["w1-4", "w1-5", "w2-4"]
    assert log.faults() == []
    log.write(other)
    writer.close()
    other.close()
    assert log.faults() == []
    assert log.prune() == ["w1-4", "w1-5", "w2-4", "w2-5"]


def test_an_index_that_tells_of_a_lost_file_stays(log):
    """A file that is gone though an older one is there was not taken by rotation: what tells of it is kept."""
    for _ in range(3):
        writer = log.start()
        log.write(writer)
        writer.close()
        log.rotate()
    writer = log.start()
    log.write(writer)
    (log.path.parent / "exposures.jsonl.2").unlink()
    assert log.prune() == ["w1-1", "w2-1", "w3-1", "w4-1"]
    assert len(log.faults()) == 1
    writer.close()


def test_a_gap_that_is_not_recorded_keeps_its_index(log):
    """It goes once the gap is recorded, as the next start does."""
    writer = log.start()
    log.write(writer)
    writer._place.pend(Gap(lost=2, first=NOON, last=NOON, reason="full"))
    os.close(writer._place._index.fd)  # as a kill does
    log.rotate(kept=0)
    young = LogWriter(log.settings, log="exposure", writer="young", clock=log.clock)
    young._place._reopen()
    log.write(young)
    assert log.prune() == ["w1-1", "young-1"]
    [left] = [index for index in indexes_of(log.path) if "w1-1" in index.name]
    assert indexes.read_header(left).pending.count == 2
    young._place.open()
    assert log.prune() == ["young-1", "young-2"]
    young.close()


@pytest.mark.parametrize("killed", [False, True])
def test_an_inode_that_is_used_again_is_no_loss(log, killed):
    """Rotation that compresses frees the inode of the file, and the next one may get it: its shortness is no gap of
    who wrote to the one before, be it closed, or killed and followed by another."""
    first = log.start()
    log.write(first)
    if killed:
        os.close(first._place._index.fd)
        log.start().close()
    else:
        first.close()
    number = log.path.stat().st_ino
    log.path.rename(log.path.with_name("aside"))
    log.path.with_name("aside").write_bytes(b"")  # as the next file, which got its inode
    log.path.with_name("aside").rename(log.path)
    assert log.path.stat().st_ino == number
    last = log.start()
    log.write(last)
    last.close()
    assert [gap for index in indexes_of(log.path) for gap in indexes.read(index).of(Gap)] == []


def test_it_is_looked_for_once_a_day(log):
    """All indexes are read for it."""
    upkeep = Upkeep({"exposure": log.settings}, clock=log.clock)
    first, second = log.start(), log.start()
    log.write(first)
    assert log.prune(upkeep) == ["w1-1", "w2-1"]
    first.close()
    log.now -= timedelta(days=1)
    log.rotate(kept=0)
    log.write(second)
    assert log.prune(upkeep) == ["w1-1", "w2-1", "w2-2"]
    log.now += timedelta(days=1)
    assert log.prune(upkeep) == ["w2-2"]
    second.close()
