"""What the indexes beside a log tell of losses and of earlier pseudonyms: written by real writers on failing disks."""

import errno
import gzip
import os
import shutil
from datetime import UTC, datetime, timedelta

import pytest

from recsys.errors import InputError, StorageError
from recsys.eventlog.audit import known_loss
from recsys.eventlog.writing.index import Alias
from recsys.eventlog.writing.writer import LogSettings, LogWriter

BEGIN = datetime(2026, 2, 5, 10, tzinfo=UTC)


class Full:
    """The functions of ``os``, with a disk that takes no line while ``full``."""

    def __init__(self):
        self.full = False

    def __getattr__(self, name):
        return getattr(os, name)

    def write(self, fd, data):
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.write(fd, data)


class Clock:
    def __init__(self):
        self.now = BEGIN

    def __call__(self):
        self.now += timedelta(seconds=1)
        return self.now


def writer(path, disk, name="w1", **settings):
    made = LogWriter(LogSettings(path=str(path), **settings), log="exposure", writer=name, clock=Clock(), files=disk)
    made.open()
    return made


def lose(log, disk, count):
    disk.full = True
    for number in range(count):
        with pytest.raises(StorageError):
            log.append(b'{"lost":%d}' % number)
    disk.full = False


def logs(folder):
    return sorted(path for path in folder.iterdir() if ".index" not in path.name and ".torn" not in path.name)


def counts(told):
    return [(each.gap.lost, each.gap.refused) for each in told.gaps]


@pytest.mark.parametrize(("on_error", "expected"), [("serve", (3, 0)), ("fail", (0, 3))])
@pytest.mark.parametrize("place", ["logs/", "exposures.jsonl"])
def test_a_gap_is_told_once_whether_it_is_over_or_not(tmp_path, place, on_error, expected):
    """Three records that a full disk refused are one gap, while it lasts, when it is over, and after the close."""
    disk = Full()
    log = writer(f"{tmp_path}/{place}", disk, on_error=on_error)
    folder = tmp_path / "logs" if place.endswith("/") else tmp_path
    log.append(b'{"n":1}')
    lose(log, disk, 3)
    assert counts(known_loss.read(logs(folder))) == [expected]
    log.append(b'{"n":2}')
    assert counts(known_loss.read(logs(folder))) == [expected]
    log.close()
    told = known_loss.read(logs(folder))
    assert counts(told) == [expected]
    (gap,) = told.gaps
    assert gap.gap.reason == os.strerror(errno.ENOSPC)
    assert gap.file == str(logs(folder)[0])


def test_a_gap_that_a_crash_left_in_two_places_is_counted_once(tmp_path):
    """The header of one index has it as it was, a record as it ended: the larger count stands."""
    disk = Full()
    log = writer(f"{tmp_path}/logs/", disk)
    log.append(b'{"n":1}')
    lose(log, disk, 2)
    (index,) = (tmp_path / "logs").glob("*.index")
    header = index.read_bytes()[:1024]
    lose(log, disk, 3)
    log.append(b'{"n":2}')
    log.close()
    index.write_bytes(header + index.read_bytes()[1024:])
    assert counts(known_loss.read(logs(tmp_path / "logs"))) == [(5, 0)]


def test_only_the_segments_that_are_given_are_asked(tmp_path):
    """An index whose segment is elsewhere tells nothing here, and a packed segment's does."""
    disk = Full()
    log = writer(f"{tmp_path}/logs/", disk)
    log.append(b'{"n":1}')
    lose(log, disk, 2)
    log.append(b'{"n":2}')
    log.close()
    (segment,) = logs(tmp_path / "logs")
    packed = segment.with_name(f"{segment.name}.zst")
    segment.rename(packed)
    assert counts(known_loss.read([packed])) == [(2, 0)]
    assert counts(known_loss.read([])) == []


def test_of_a_rotated_log_the_gaps_of_the_files_given_count(tmp_path):
    """Of two files, each with a loss, each is told its own; a copy, which is told by nothing, is told of both."""
    disk = Full()
    path = tmp_path / "exposures.jsonl"
    log = writer(path, disk)
    log.append(b'{"n":1}')
    lose(log, disk, 1)
    log.append(b'{"n":2}')
    path.rename(f"{path}.1")
    log.append(b'{"n":3}')
    lose(log, disk, 2)
    log.append(b'{"n":4}')
    log.close()
    old = tmp_path / "exposures.jsonl.1"
    assert counts(known_loss.read([old])) == [(1, 0)]
    assert counts(known_loss.read([path])) == [(2, 0)]
    assert counts(known_loss.read([old, path])) == [(1, 0), (2, 0)]
    packed = tmp_path / "exposures.jsonl.1.gz"
    packed.write_bytes(gzip.compress(old.read_bytes()))
    assert counts(known_loss.read([packed])) == [(1, 0), (2, 0)]
    dated = tmp_path / "exposures-20260205.jsonl"
    old.rename(dated)
    assert counts(known_loss.read([dated])) == [(1, 0)]


def test_other_logs_of_a_folder_are_not_asked(tmp_path):
    """`outcomes.jsonl` has a loss, `exposures.jsonl` and a file without an index have none."""
    disk = Full()
    log = writer(tmp_path / "outcomes.jsonl", disk)
    log.append(b'{"n":1}')
    lose(log, disk, 1)
    log.close()
    other = writer(tmp_path / "exposures.jsonl", Full())
    other.append(b'{"n":1}')
    other.close()
    (tmp_path / "mine.jsonl").write_bytes(b"{}\n")
    assert counts(known_loss.read([tmp_path / "exposures.jsonl", tmp_path / "mine.jsonl"])) == []


def test_two_writers_that_lost_at_one_instant_lost_twice(tmp_path):
    """Gaps are told apart by their writers."""
    for name in ("w1", "w2"):
        disk = Full()
        log = writer(tmp_path / "exposures.jsonl", disk, name)
        log.append(b'{"n":1}')
        lose(log, disk, 2)
        log.append(b'{"n":2}')
        log.close()
    assert counts(known_loss.read([tmp_path / "exposures.jsonl"])) == [(2, 0), (2, 0)]


def test_aliases_are_told_once_each(tmp_path):
    """An alias that stands in two indexes is one."""
    for name in ("w1", "w2"):
        log = writer(f"{tmp_path}/logs/", Full(), name)
        log.note_alias(Alias(previous="a", current="b"))
        log.append(b'{"n":1}')
        log.close()
    assert known_loss.read(logs(tmp_path / "logs")).aliases == [Alias(previous="a", current="b")]


def test_a_damaged_index_tells_what_can_be_read(tmp_path):
    """Garbage in it hides nothing that stands before and behind."""
    disk = Full()
    log = writer(f"{tmp_path}/logs/", disk)
    log.append(b'{"n":1}')
    lose(log, disk, 1)
    log.append(b'{"n":2}')
    log.close()
    (index,) = (tmp_path / "logs").glob("*.index")
    index.write_bytes(
        index.read_bytes() + b'\xff{"record":"gap"\n' + b'{"record":"alias","previous":"a","current":"b"}\n'
    )
    told = known_loss.read(logs(tmp_path / "logs"))
    assert counts(told) == [(1, 0)]
    assert told.aliases == [Alias(previous="a", current="b")]


def test_an_index_that_cannot_be_read_is_no_empty_one(tmp_path):
    """To pass over it would be to hide a loss: it is named, with what to do."""
    log = writer(f"{tmp_path}/logs/", Full())
    log.append(b'{"n":1}')
    log.close()
    (index,) = (tmp_path / "logs").glob("*.index")
    index.unlink()
    index.mkdir()
    with pytest.raises(InputError, match=r"\.index: the index cannot be read"):
        known_loss.read(logs(tmp_path / "logs"))
    shutil.rmtree(index)


@pytest.mark.parametrize(
    "damage",
    [
        b'{"record":"gap","lost":-1,"first":"2026-02-05T10:00:00Z","last":"2026-02-05T10:00:00Z","reason":"x"}\n',
        b'{"record":"gap","lost":1,"first":"2026-02-05T10:00:00","last":"2026-02-05T10:00:00","reason":"x"}\n',
        b'{"record":"gap","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n",
    ],
    ids=["less than nothing", "no time zone", "deep"],
)
def test_damage_that_reads_as_a_record_takes_no_loss_back(tmp_path, damage):
    """What cannot be a gap is none, and ends nothing."""
    disk = Full()
    log = writer(f"{tmp_path}/", disk)
    log.append(b'{"n":1}')
    lose(log, disk, 2)
    log.append(b'{"n":2}')
    log.close()
    (index,) = tmp_path.glob("*.index")
    index.write_bytes(index.read_bytes() + damage)
    assert counts(known_loss.read(logs(tmp_path))) == [(2, 0)]


def test_of_several_files_of_a_log_only_the_given_ones_are_asked(tmp_path):
    """The writer that only wrote to another file is not asked, though its index stands beside this one too."""
    disk = Full()
    path = tmp_path / "exposures.jsonl"
    for name, lost in (("w1", 1), ("w2", 2)):
        log = writer(path, disk, name)
        log.append(b'{"n":1}')
        lose(log, disk, lost)
        log.append(b'{"n":2}')
        log.close()
        path.rename(f"{path}.{name}")
    assert counts(known_loss.read([tmp_path / "exposures.jsonl.w1"])) == [(1, 0)]
    assert counts(known_loss.read([tmp_path / "exposures.jsonl.w2"])) == [(2, 0)]


def test_a_gap_that_ended_in_the_next_days_segment_is_told_of_the_day_on_which_it_began(tmp_path):
    """The disk was full over midnight: the first day alone is not told without the loss, and no gap of the next is."""
    disk, clock = Full(), Clock()
    log = LogWriter(LogSettings(path=f"{tmp_path}/"), log="exposure", writer="w1", clock=clock, files=disk)
    log.open()
    log.append(b'{"n":1}')
    lose(log, disk, 2)
    clock.now += timedelta(days=1)
    log.append(b'{"n":2}')
    lose(log, disk, 5)
    log.append(b'{"n":3}')
    log.close()
    first, second = logs(tmp_path)
    assert counts(known_loss.read([first])) == [(2, 0)]
    assert counts(known_loss.read([first, second])) == [(2, 0), (5, 0)]
