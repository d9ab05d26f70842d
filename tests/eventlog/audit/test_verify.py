"""Verification: nothing is told of a log that is as it was written; of another, what was done to it and no more."""

import errno
import fcntl
import gzip
import multiprocessing
import os
import re
import threading
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.eventlog.audit.pairing import in_place, paired
from recsys.eventlog.audit.verify import verify_file, verify_folder, verify_log
from recsys.eventlog.reader import expand
from recsys.eventlog.writing import recovery
from recsys.eventlog.writing.index import HEADER_BYTES
from recsys.eventlog.writing.segment import index_of
from recsys.eventlog.writing.writer import LogSettings, LogWriter

START = datetime(2026, 2, 5, tzinfo=UTC)
SPAWN = multiprocessing.get_context("spawn")


class Clock:
    """A clock that goes on by a millisecond each time it is read."""

    def __init__(self) -> None:
        self._ticks = count(1)

    def __call__(self) -> datetime:
        return START + timedelta(milliseconds=next(self._ticks))


def writer(path: str, name: str = "w", clock=None, **more) -> LogWriter:
    made = LogWriter(LogSettings(path=path, **more), log="exposure", writer=name, clock=clock or Clock())
    made.open()
    return made


def lines_of(name: str, number: int) -> list[bytes]:
    """Lines of different lengths, each of them once."""
    return [b'{"request_id":"%s-%d","pad":"%s"}' % (name.encode(), n, b"x" * (n * 7 % 11)) for n in range(number)]


def write(path: str, lines: list[bytes], name: str = "w", **more) -> None:
    """A log of these lines, closed."""
    made = writer(path, name, **more)
    for line in lines:
        made.append(line)
    made.close()


def write_many(path: str, name: str, lines: int) -> None:
    """A writer in a process of its own."""
    made = LogWriter(LogSettings(path=path), log="exposure", writer=name)
    made.open()
    for line in lines_of(name, lines):
        made.append(line)
    made.close()


def found(path: Path) -> list[tuple]:
    """What verification tells: of each fault its file's name, kind, byte range and number of lines."""
    checked = verify_folder(path, "exposure") if path.is_dir() else verify_log(path)
    return [
        (Path(fault.file).name, fault.kind, fault.start, fault.end, fault.lines)
        for each in checked
        for fault in each.faults
    ]


def notes(path: Path) -> list[str]:
    checked = verify_folder(path, "exposure") if path.is_dir() else verify_log(path)
    return [note for each in checked for note in each.notes]


def ranges(lines: list[bytes]) -> list[tuple[int, int]]:
    """Where each line stands."""
    ends = [sum(map(len, lines[: n + 1])) for n in range(len(lines))]
    return [(end - len(line), end) for line, end in zip(lines, ends, strict=True)]


@pytest.fixture(params=["folder", "file"])
def log(request, tmp_path):
    """A log of 40 lines, closed, and its only file: a folder's, and one that is a file."""
    path = tmp_path / "logs" if request.param == "folder" else tmp_path / "exposures.jsonl"
    write(f"{path}/" if request.param == "folder" else str(path), lines_of("a", 40))
    (file,) = path.glob("*.jsonl") if path.is_dir() else [path]
    return path, file


@pytest.fixture(params=["folder", "file"])
def four(request, tmp_path):
    """A log that four processes wrote at the same time."""
    path = tmp_path / "logs" if request.param == "folder" else tmp_path / "exposures.jsonl"
    place = f"{path}/" if request.param == "folder" else str(path)
    workers = [SPAWN.Process(target=write_many, args=(place, f"w{n}", 300)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 4
    return path, sorted(path.glob("*.jsonl"))[0] if path.is_dir() else path


def test_p11_four_writers_leave_no_fault(four):
    """Four processes in one folder, or in one file: all lines are counted, and there is no fault and no note."""
    path, _ = four
    checked = list(verify_folder(path, "exposure") if path.is_dir() else verify_log(path))
    assert sum(each.lines for each in checked) == 1_200
    assert {name for each in checked for name in each.writers} == {"w0", "w1", "w2", "w3"}
    assert (found(path), notes(path)) == ([], [])


def test_p11_a_deletion_a_duplication_and_a_swap_are_named_to_the_byte(four):
    """All three at once, far from each other: their byte ranges are told, and nothing else."""
    path, file = four
    was = file.read_bytes().splitlines(keepends=True)
    now = list(was)
    now[150], now[200] = now[200], now[150]
    now[100:100] = [was[40]]
    del now[20]
    file.write_bytes(b"".join(now))
    at = ranges(now)
    assert found(path) == [
        (file.name, "missing", *ranges(was)[20], 1),
        (file.name, "repeated", *at[99], 1),
        (file.name, "moved", *at[150], 1),
        (file.name, "moved", *at[200], 1),
    ]


def test_a_missing_line_is_told_with_where_it_belongs(log):
    """The range is that of the file as it was; the place is in the file as it is."""
    path, file = log
    was = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(was[:5] + was[8:20] + was[21:]))
    faults = [fault for each in (verify_folder(path, "exposure") if path.is_dir() else verify_log(path))
              for fault in each.faults]  # fmt: skip
    at = ranges(was)
    assert [(fault.start, fault.end, fault.lines, fault.place) for fault in faults] == [
        (at[5][0], at[7][1], 3, at[5][0]),
        (*at[20], 1, at[20][0] - (at[7][1] - at[5][0])),
    ]
    assert f"bytes {at[20][0]:,} to {at[20][1]:,} of the file as it was written: 1 line missing" in str(faults[1])


def test_changed_foreign_and_moved_lines(log):
    """A changed line, a line that nobody wrote, and a block that stands elsewhere: each by its own bytes."""
    path, file = log
    was = file.read_bytes().splitlines(keepends=True)
    now = list(was)
    now[15:30] = was[18:30] + was[15:18]
    now.insert(10, b'{"foreign":1}\n')
    now[3] = was[3].replace(b"a-3", b"b-3")
    file.write_bytes(b"".join(now))
    at = ranges(now)
    assert found(path) == [
        (file.name, "changed", *at[3], 1),
        (file.name, "unindexed", *at[10], 1),
        (file.name, "moved", at[28][0], at[30][1], 3),
    ]


@pytest.mark.parametrize("newline", ["lost", "made"])
def test_a_changed_newline(log, newline):
    """Two lines that became one, and one that became two, are changed bytes; nothing is missing."""
    path, file = log
    was = file.read_bytes()
    start, end = ranges(was.splitlines(keepends=True))[7]
    data = bytearray(was)
    data[end - 1 if newline == "lost" else start + 5] = ord("x" if newline == "lost" else "\n")
    file.write_bytes(data)
    stop = ranges(was.splitlines(keepends=True))[8][1] if newline == "lost" else end
    assert found(path) == [(file.name, "changed", start, stop, 2 if newline == "lost" else 1)]


def test_a_file_that_was_cut_short(log):
    """What is gone, and what is left of a line."""
    path, file = log
    was = file.read_bytes()
    at = ranges(was.splitlines(keepends=True))
    os.truncate(file, at[30][0])
    assert found(path) == [(file.name, "missing", at[30][0], len(was), 10)]
    os.truncate(file, at[29][0] + 4)
    assert found(path) == [
        (file.name, "missing", at[29][0], len(was), 11),
        (file.name, "torn", at[29][0], at[29][0] + 4, 1),
    ]
    file.write_bytes(b"")
    assert found(path) == [(file.name, "missing", 0, len(was), 40)]


def test_lines_behind_the_end_of_a_closed_log(log):
    """Nobody has it open, and all that was written is indexed: what was appended is of somebody else."""
    path, file = log
    size = file.stat().st_size
    with file.open("ab") as out:
        out.write(b'{"foreign":1}\n{"torn')
    assert found(path) == [
        (file.name, "unindexed", size, size + 14, 1),
        (file.name, "torn", size + 14, size + 20, 1),
    ]


def mutated(lines: list[bytes], kind: str, one: int, other: int) -> tuple[list[bytes], list[tuple]]:
    """Lines after a change, and the faults that describe it: a plain restatement of what verification promises."""
    now, at = list(lines), ranges(lines)
    low, high = min(one, other), max(one, other)
    match kind:
        case "delete":
            del now[low : high + 1]
            faults = [("missing", at[low][0], at[high][1], high - low + 1)]
        case "cut":
            del now[one:]
            faults = [("missing", at[one][0], at[-1][1], len(lines) - one)]
        case "repeat":
            now[high + 1 : high + 1] = [lines[low]]
            faults = [("repeated", *ranges(now)[high + 1], 1)]
        case "change":
            now[one] = bytes([now[one][0] ^ 1]) + now[one][1:]
            faults = [("changed", *at[one], 1)]
        case "insert":
            now[one:one] = [b"foreign\n"]
            faults = [("unindexed", *ranges(now)[one], 1)]
        case _:
            now[low], now[high] = now[high], now[low]
            faults = [("moved", *ranges(now)[each], 1) for each in (low, high)]
    return now, [] if now == lines else faults


PLACE = st.integers(0, 39)


@given(
    kind=st.sampled_from(["delete", "repeat", "change", "insert", "cut", "swap"]),
    one=PLACE, other=PLACE, batches=st.lists(st.integers(1, 12), min_size=1, max_size=4), folder=st.booleans(),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_the_faults_are_exactly_the_change(tmp_path_factory, kind, one, other, batches, folder):
    """Whatever one change is made to a log of different lines, in whatever batches they came, it is told as that."""
    path = tmp_path_factory.mktemp("log") / ("logs" if folder else "exposures.jsonl")
    place = f"{path}/" if folder else str(path)
    made = [writer(place, f"w{number}") for number in range(1 if folder else 2)]
    left = lines_of("a", 40)
    for number in count():
        if not left:
            break
        size = batches[number % len(batches)]
        made[number % len(made)].append(*left[:size])
        left = left[size:]
    for each in made:
        each.close()
    (file,) = path.glob("*.jsonl") if folder else [path]
    now, faults = mutated(file.read_bytes().splitlines(keepends=True), kind, one, other)
    file.write_bytes(b"".join(now))
    assert [fault[1:] for fault in found(path)] == faults


def rebuilt(was: list[bytes], now: list[bytes], faults) -> list[bytes]:
    """The lines as they were, from those that are there and the faults alone: lines without a fault stand in their
    order, moved ones are taken from where they are; contents that are gone come from ``was``."""
    bad = {at for fault in faults if fault.kind != "missing" for at in range(fault.start, fault.end)}
    kept = [line for line, (start, _) in zip(now, ranges(now), strict=True) if start not in bad]
    moved = [
        line for line, (start, _) in zip(now, ranges(now), strict=True)
        if any(fault.kind == "moved" and fault.start <= start < fault.end for fault in faults)
    ]  # fmt: skip
    gone = [
        line for line, (start, _) in zip(was, ranges(was), strict=True)
        if any(fault.kind == "missing" and fault.start <= start < fault.end for fault in faults)
    ]  # fmt: skip
    rest = iter(kept)
    out: list[bytes] = []
    pool = [*moved, *gone]
    waiting = next(rest, None)
    for line in was:
        if line == waiting:
            out.append(line)
            waiting = next(rest, None)
        elif line in pool:
            pool.remove(line)
            out.append(line)
    assert waiting is None, "a line without a fault is not in its order"
    assert pool == [], "something is told that was not written"
    return out


@given(
    was=st.lists(st.sampled_from(b"abcdefgh"), min_size=1, max_size=14),
    now=st.lists(st.sampled_from(b"abcdefghz"), max_size=16),
)
@settings(max_examples=300, deadline=None)
def test_the_faults_account_for_every_line(tmp_path_factory, was, now):
    """Whatever stands there in place of a log in which lines repeat: what has no fault is in its order, and with what
    is told to be moved or missing it is the log as it was."""
    path = tmp_path_factory.mktemp("log")
    before = [b'{"n":"%c"}\n' % letter for letter in was]
    after = [b'{"n":"%c"}\n' % letter for letter in now]
    write(f"{path}/", [line[:-1] for line in before])
    (file,) = path.glob("*.jsonl")
    file.write_bytes(b"".join(after))
    faults = [fault for each in verify_folder(path, "exposure") for fault in each.faults]
    assert (not faults) == (before == after)
    changed = sum(fault.lines for fault in faults if fault.kind == "changed")
    assert len(rebuilt(before, after, faults)) == len(before) - changed


def segments_of_a_writer(tmp_path: Path, number: int = 3) -> list[Path]:
    """A folder in which one writer has closed so many segments of 20 lines."""
    made = writer(f"{tmp_path}/", segment_bytes=1 << 16)
    for day in range(number):
        for line in lines_of(f"d{day}", 20):
            made.append(line + b" " * 4_000)
    made.close()
    return sorted(tmp_path.glob("*.jsonl"))


def test_a_segment_that_is_gone_is_told_by_its_index_or_by_its_number(tmp_path):
    """With its index left, it is told with its lines; gone with its index, as a hole in the writer's numbers. The first
    ones may go: retention takes them."""
    parts = segments_of_a_writer(tmp_path)
    assert len(parts) >= 3
    assert found(tmp_path) == []
    lines = parts[1].read_bytes().count(b"\n")
    parts[1].unlink()
    assert found(tmp_path) == [(parts[1].name, "no segment", 0, 0, lines)]
    index_of(parts[1]).unlink()
    assert found(tmp_path) == [("exposure-*.w-2.jsonl", "no segment", 0, 0, 0)]
    assert [fault for each in verify_folder(tmp_path, "exposure", archived=True) for fault in each.faults] == []
    parts[0].unlink()
    index_of(parts[0]).unlink()
    assert found(tmp_path) == []


def test_an_index_that_is_gone(log):
    """Nothing can be compared, and that is told as a fault; an empty file without an index is none."""
    path, file = log
    for index in path.parent.rglob("*.index"):
        index.unlink()
    assert found(path) == [(file.name, "no index", 0, 0, 0)]
    file.write_bytes(b"")
    assert found(path) == []


def test_a_damaged_index_names_its_own_bytes(log):
    """Records of an index that cannot be read are told by their bytes of the index. The lines that they told of are not
    said to be wrong."""
    path, _ = log
    (index,) = path.parent.rglob("*.index")
    data = index.read_bytes()
    records = data.splitlines(keepends=True)
    at = ranges(records)[12]
    index.write_bytes(data[: at[0]] + b"\0" * (at[1] - at[0] - 1) + b"\n" + data[at[1] :])
    assert found(path) == [(index.name, "index damaged", *at, 0)]
    assert len(notes(path)) == 1
    index.write_bytes(b"\0" * (HEADER_BYTES - 1) + b"\n" + data[HEADER_BYTES:])
    assert found(path) == [(index.name, "index damaged", 0, HEADER_BYTES, 0)]


def test_a_line_that_is_gone_from_where_the_index_is_damaged(tmp_path):
    """The seal tells that it is not whole, though no index knows those lines."""
    write(f"{tmp_path}/", lines_of("a", 40))
    (index,), (file,) = tmp_path.glob("*.index"), tmp_path.glob("*.jsonl")
    data, was = index.read_bytes(), file.read_bytes().splitlines(keepends=True)
    at = ranges(data.splitlines(keepends=True))[12]
    index.write_bytes(data[: at[0]] + b"\0" * (at[1] - at[0] - 1) + b"\n" + data[at[1] :])
    gone = ranges(was)[11]  # after the header comes the record of the first line
    file.write_bytes(b"".join(was[:11] + was[12:]))
    assert (file.name, "missing", *gone, 0) in found(tmp_path)
    file.write_bytes(b"".join([*was[:11], was[11].replace(b"a-11", b"b-11"), *was[12:]]))
    assert (file.name, "changed", *gone, 0) in found(tmp_path)


def without_close(path: str, lines: list[bytes], unindexed: list[bytes], torn: bytes) -> None:
    """A writer that ends by force, after it wrote lines that it could not index, and a part of one."""
    made = writer(path)
    for line in lines:
        made.append(line)
    made._place.write(b"".join(line + b"\n" for line in unindexed))
    place = made.path
    with place.open("ab") as out:
        out.write(torn)
    os._exit(9)


@pytest.mark.parametrize("mode", ["folder", "file"])
def test_what_a_killed_writer_leaves_is_a_note(tmp_path, mode):
    """Lines that it had no time to index, and half a line, are no faults. Of those that are indexed each is missed."""
    path = tmp_path / "logs" if mode == "folder" else tmp_path / "exposures.jsonl"
    place = f"{path}/" if mode == "folder" else str(path)
    killed = SPAWN.Process(target=without_close, args=(place, lines_of("a", 9), lines_of("b", 3), b'{"requ'))
    killed.start()
    killed.join(60)
    assert killed.exitcode == 9
    (file,) = path.glob("*.jsonl") if mode == "folder" else [path]
    assert (found(path), len(notes(path))) == ([], 1)
    if mode == "file":  # others write behind it, and cut the torn line
        write(place, lines_of("c", 5), "other")
        assert (found(path), len(notes(path))) == ([], 1)
    was = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(was[:2] + was[3:]))
    assert found(path) == [(file.name, "missing", *ranges(was)[2], 1)]


@pytest.mark.parametrize("mode", ["folder", "file"])
def test_a_log_that_is_written_to_meanwhile_has_no_fault(tmp_path, mode):
    """Verification beside writers that come, write and go tells no fault, however often it looks."""
    path = tmp_path / "logs" if mode == "folder" else tmp_path / "exposures.jsonl"
    place = f"{path}/" if mode == "folder" else str(path)
    stop = threading.Event()

    def work(name: str) -> None:
        for number in count():
            made = writer(place, f"{name}-{number}", lambda: datetime.now(UTC))
            for line in lines_of(name, 200):
                made.append(line, line, line)
            made.close()
            if stop.is_set():
                return

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(2)]
    for thread in threads:
        thread.start()
    try:
        while not (path.exists() and any(tmp_path.rglob("*.index"))):
            pass
        for _ in range(15):
            assert found(path) == []
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert (found(path), notes(path)) == ([], [])


def test_packed_segments(tmp_path):
    """A packed segment is compared as the plain one; byte ranges are of its content. Damage is told as such."""
    write(f"{tmp_path}/", lines_of("a", 40))
    (file,) = tmp_path.glob("*.jsonl")
    was = file.read_bytes().splitlines(keepends=True)
    packed = file.with_name(f"{file.name}.zst")
    packed.write_bytes(zstandard.compress(b"".join(was)))
    file.unlink()
    assert found(tmp_path) == []
    packed.write_bytes(zstandard.compress(b"".join(was[:9] + was[10:])))
    assert found(tmp_path) == [(packed.name, "missing", *ranges(was)[9], 1)]
    data = bytearray(zstandard.compress(b"".join(was)))
    data[8] ^= 0xFF
    packed.write_bytes(data)
    assert [fault[1] for fault in found(tmp_path)] in (["unreadable"], ["missing", "unindexed"], ["changed"])


def test_a_rotated_log_is_found_under_its_new_names(tmp_path):
    """Renamed files are told by their inodes, compressed ones by their lines; each is compared with what was written to
    it, through a writer that went on in the new file."""
    path = tmp_path / "exposures.jsonl"
    made = writer(str(path))
    parts = [lines_of(f"part{n}", 12) for n in range(4)]
    names = ["exposures.jsonl.2.gz", "exposures.jsonl.1", "renamed.log"]
    for lines, name in zip(parts, names, strict=False):
        for line in lines:
            made.append(line)
        path.rename(tmp_path / name.removesuffix(".gz"))
    for line in parts[3]:
        made.append(line)
    made.close()
    plain = tmp_path / "exposures.jsonl.2"
    (tmp_path / names[0]).write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    checked = {Path(each.file).name: each.lines for each in verify_log(path)}
    assert checked == dict.fromkeys([*names, path.name], 12)
    assert (found(path), notes(path)) == ([], [])
    for name in (names[1], names[2]):
        was = (tmp_path / name).read_bytes().splitlines(keepends=True)
        (tmp_path / name).write_bytes(b"".join(was[:3] + was[4:]))
        assert (name, "missing", *ranges(was)[3], 1) in found(path)
        assert [fault.kind for fault in verify_file(tmp_path / name).faults] == ["missing"]
    packed = tmp_path / names[0]
    was = gzip.decompress(packed.read_bytes()).splitlines(keepends=True)
    packed.write_bytes(gzip.compress(b"".join(was[1:])))
    assert (packed.name, "missing", *ranges(was)[0], 1) in found(path)


def test_rotated_files_may_go_but_not_from_the_middle(tmp_path):
    """logrotate removes the oldest ones: that is no fault. One between two that are there is."""
    path = tmp_path / "exposures.jsonl"
    made = writer(str(path))
    for number in (3, 2, 1):
        for line in lines_of(f"part{number}", 5):
            made.append(line)
        path.rename(tmp_path / f"exposures.jsonl.{number}")
    made.append(b"{}")
    made.close()
    (tmp_path / "exposures.jsonl.2").unlink()
    (fault,) = found(path)
    assert fault[1:] == ("no segment", 0, 0, 5)
    (tmp_path / "exposures.jsonl.3").unlink()
    assert found(path) == []
    path.unlink()
    assert [fault[1] for fault in found(path)] == ["no segment"]


def test_an_inode_that_is_used_again_is_another_file(tmp_path):
    """What was written to the file that had the inode before is not expected of the one that has it now."""
    path = tmp_path / "exposures.jsonl"
    clock = Clock()
    for part in ("first", "second"):
        made = writer(str(path), f"w-{part}", clock)
        other = writer(str(path), f"o-{part}", clock)
        for line in lines_of(part, 20):
            made.append(line)
            other.append(line + b" ")
        made.close()
        other.close()
        assert (found(path), notes(path)) == ([], [])
        if part == "first":  # the same inode, empty, as when a file is removed and another one made
            os.truncate(path, 0)
    was = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(was[:4] + was[5:]))
    assert (path.name, "missing", *ranges(was)[4], 1) in found(path)


def test_lines_that_are_older_than_any_index(tmp_path):
    """They cannot be compared, and it is said; what was written behind them is."""
    path = tmp_path / "exposures.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in lines_of("old", 10)))
    size = path.stat().st_size
    write(str(path), lines_of("new", 10))
    assert (found(path), notes(path)) == ([], [f"bytes 0 to {size} are older than any index, and were not compared"])
    was = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(was[:13] + was[14:]))
    assert found(path) == [(path.name, "missing", *ranges(was)[13], 1)]
    older = tmp_path / "exposures.jsonl.1"
    older.write_bytes(b"{}\n")
    os.utime(older, (0, 0))
    assert (older.name, "no index", 0, 0, 0) not in found(path)
    os.utime(older)
    assert (older.name, "no index", 0, 0, 0) in found(path)


def test_recovery_leaves_nothing_to_find(tmp_path):
    """A segment that was repaired is sealed and without a fault; what was damaged in it before is a note."""
    made = writer(f"{tmp_path}/")
    for line in lines_of("a", 5):
        made.append(line)
    file = made.path
    made._place._segment.close()  # type: ignore[union-attr]
    with file.open("ab") as out:
        out.write(b'\0\0\0\n{"request_id":"late"}\n{"to')
    assert found(tmp_path) == []
    list(recovery.recover(tmp_path, "exposure", now=START))
    assert (found(tmp_path), len(notes(tmp_path))) == ([], 1)
    (checked,) = verify_folder(tmp_path, "exposure")
    assert (checked.sealed, checked.lines) == (True, 7)


def test_an_empty_segment_of_a_writer_that_went_on_leaves_no_hole(tmp_path):
    """A flush that fails leaves a segment without lines. Recovery may not take it away: its number would be missed."""

    class Files:
        def __getattr__(self, name: str):
            return getattr(os, name)

        def fdatasync(self, fd: int) -> None:
            if any(tmp_path.glob("*w-2.jsonl")) and not any(tmp_path.glob("*w-3.jsonl")):
                raise OSError(5, "Input/output error")
            os.fdatasync(fd)

    made = LogWriter(
        LogSettings(path=f"{tmp_path}/", fsync=True, segment_bytes=1), log="exposure", writer="w", files=Files()
    )
    made.open()
    for number in range(3):
        made.append(b'{"n":%d}' % number)
    made.close()
    list(recovery.recover(tmp_path, "exposure", now=START))
    assert found(tmp_path) == []
    lines = b"".join(path.read_bytes() for path in sorted(tmp_path.glob("*.jsonl")))
    assert sorted(lines.splitlines()) == [b'{"n":%d}' % number for number in range(3)]


@given(st.permutations(range(9)))
def test_lines_in_place_are_in_order_and_hardly_fewer_than_can_be(order):
    """What is said to stand in place is in order; what is said to be moved is at most twice what has to be."""
    kept = [number for number, stands in zip(order, in_place(order), strict=True) if stands]
    assert kept == sorted(kept)
    best = [1] * 9
    for place, number in enumerate(order):
        best[place] = 1 + max((best[p] for p in range(place) if order[p] < number), default=0)
    moved, needed = 9 - len(kept), 9 - max(best)
    assert needed <= moved <= 2 * needed


@given(st.lists(st.integers(0, 4), max_size=12), st.lists(st.integers(0, 5), max_size=12))
def test_pairs_are_equal_lines_and_as_many_as_there_are(wrote, there):
    """A line is paired with an equal one, none twice, and none is left that has an equal one left."""
    pairs = paired(wrote, there)
    taken = [number for number in pairs if number >= 0]
    assert len(taken) == len(set(taken))
    assert all(wrote[number] == there[place] for place, number in enumerate(pairs) if number >= 0)
    assert len(taken) == sum(min(wrote.count(key), there.count(key)) for key in set(wrote))


def test_a_lock_is_not_in_the_way(log):
    """Verification asks for no lock: a writer that is held up does not hold it up."""
    path, file = log
    with file.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert found(path) == []


def test_a_line_that_was_written_twice_and_is_gone_once(tmp_path):
    """Of equal lines, the one is missed that stood where there is none now, not just any of them."""
    path = tmp_path / "exposures.jsonl"
    lines = lines_of("a", 40)
    lines[20] = lines[5]
    write(str(path), lines)
    was = path.read_bytes().splitlines(keepends=True)
    now = list(was)
    now[30] = was[30].replace(b"a-30", b"b-30")
    del now[5]
    path.write_bytes(b"".join(now))
    assert found(path) == [
        (path.name, "missing", *ranges(was)[5], 1),
        (path.name, "changed", *ranges(now)[29], 1),
    ]


@pytest.mark.parametrize("mode", ["folder", "file"])
def test_a_log_that_is_longer_than_what_is_read_at_once(tmp_path, mode):
    """A difference behind megabytes that are as they were: one line repeated from among those, another one gone."""
    path = tmp_path / "logs" if mode == "folder" else tmp_path / "exposures.jsonl"
    write(f"{path}/" if mode == "folder" else str(path), [line + b" " * 60_000 for line in lines_of("a", 60)])
    (file,) = path.glob("*.jsonl") if mode == "folder" else [path]
    was = file.read_bytes().splitlines(keepends=True)
    now = [*was[:50], was[2], *was[50:55], *was[56:]]
    file.write_bytes(b"".join(now))
    assert found(path) == [(file.name, "repeated", *ranges(now)[50], 1), (file.name, "missing", *ranges(was)[55], 1)]
    checked = list(verify_folder(path, "exposure") if mode == "folder" else verify_log(path))
    assert (sum(each.lines for each in checked), sum(each.bytes for each in checked)) == (60, file.stat().st_size)


@pytest.mark.parametrize("at", [0, 5, 38])
def test_neighbours_that_were_exchanged_are_both_named(log, at):
    """Each has its own byte range, and is said to belong where the other one is."""
    path, file = log
    now = file.read_bytes().splitlines(keepends=True)
    now[at : at + 2] = now[at + 1], now[at]
    file.write_bytes(b"".join(now))
    first, second = ranges(now)[at : at + 2]
    assert found(path) == [(file.name, "moved", *first, 1), (file.name, "moved", *second, 1)]
    checked = verify_folder(path, "exposure") if path.is_dir() else verify_log(path)
    assert [fault.place for each in checked for fault in each.faults] == [second[1], first[0]]


def test_an_inode_that_another_log_got_makes_its_file_none_of_this_log(tmp_path):
    """A rotated file was compressed, and its inode became that of another log's file, of other lines."""
    path = tmp_path / "exposures.jsonl"
    write(str(path), lines_of("a", 40), "w1")
    (tmp_path / "exposures.jsonl.1.gz").write_bytes(gzip.compress(path.read_bytes()))
    other = path.rename(tmp_path / "outcomes.jsonl")
    other.write_bytes(b'{"request_id":"another"}\n' * 5)
    write(str(path), lines_of("b", 10), "w2")
    assert (found(path), notes(path)) == ([], [])
    assert sum(each.lines for each in verify_log(path)) == 50


@pytest.mark.parametrize("cut", [1, 2_000])
@pytest.mark.parametrize("mode", ["folder", "file"])
def test_a_packed_file_that_is_cut_off_is_told_as_such(tmp_path, mode, cut):
    """Also where only the last bytes of the archive are gone."""
    path = tmp_path / "logs" if mode == "folder" else tmp_path / "exposures.jsonl"
    clock = Clock()
    write(f"{path}/" if mode == "folder" else str(path), lines_of("a", 4_000), clock=clock)
    (file,) = path.glob("*.jsonl") if path.is_dir() else [path]
    packed = file.with_name(f"{file.name}.zst" if mode == "folder" else f"{file.name}.1.zst")
    packed.write_bytes(zstandard.ZstdCompressor().compress(file.read_bytes())[:-cut])
    file.unlink()
    if mode == "file":
        write(str(path), lines_of("b", 10), "w2", clock=clock)
    assert [fault[:2] for fault in found(path)] == [(packed.name, "unreadable")]


@pytest.mark.parametrize("field", ["crc", "lines"])
def test_a_seal_that_says_something_else_than_the_lines(tmp_path, field):
    """Every line is as its index says, and yet the seal was changed: that is a fault."""
    path = tmp_path / "logs"
    write(f"{path}/", lines_of("a", 40))
    (index,) = path.glob("*.index")
    before = re.search(rf'"record":"seal".*"{field}":(\d+)'.encode(), index.read_bytes())
    assert before is not None
    data = index.read_bytes()
    index.write_bytes(data[: before.start(1)] + b"%d" % (int(before[1]) + 1) + data[before.end(1) :])
    (file,) = path.glob("*.jsonl")
    assert found(path) == [(file.name, "sums", 0, 0, 0)]


def test_hostile_indexes_are_told_and_end_nothing(tmp_path):
    """A folder in place of an index, and JSON that is deeper than can be read: the other segments are verified."""
    path = tmp_path / "logs"
    for name in ("u", "v", "w"):
        write(f"{path}/", lines_of("a", 40), name)
    first, second, _ = sorted(path.glob("*.index"))
    first.unlink()
    first.mkdir()
    deep = b'{"record":"gap","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"
    size = second.stat().st_size
    second.write_bytes(second.read_bytes() + deep)
    assert found(path) == [
        (first.name.removesuffix(".index"), "no index", 0, 0, 0),
        (second.name, "index damaged", size, size + len(deep), 0),
    ]


def test_what_a_failed_flush_set_aside_is_part_of_the_log(tmp_path):
    """It is read with its folder, verified, and known by its name also as a copy, which has another inode."""
    path = tmp_path / "logs" / "exposures.jsonl"
    fail = iter([False, True, False, False])

    class Failing:
        def __getattr__(self, name):
            return getattr(os, name)

        def fdatasync(self, fd):
            if next(fail):
                raise OSError(errno.EIO, "Input/output error")

    path.parent.mkdir()
    made = LogWriter(
        LogSettings(path=str(path), fsync=True), log="exposure", writer="w", clock=Clock(), files=Failing()
    )  # fmt: skip
    made.open()
    for line in lines_of("a", 3):
        made.append(line)
    made.close()
    (aside,) = set(path.parent.glob("*.jsonl")) - {path}
    assert expand(str(path.parent)) == sorted([path, aside])
    content = aside.read_bytes()
    aside.unlink()
    (path.parent / "in the way of the inode").touch()
    aside.write_bytes(content)
    assert (found(path), sum(each.lines for each in verify_log(path))) == ([], 3)


@pytest.mark.parametrize("entry", ["[1099511627776,1]", "[10,-1]", "[10,99999999999999999999]"])
def test_lines_that_no_file_could_have_are_no_records(log, entry):
    """An index that tells of a line of a terabyte, or of a sum that is none, is damaged there."""
    path, _ = log
    (index,) = path.glob("*.index") if path.is_dir() else path.parent.glob("*.index")
    data = index.read_bytes().splitlines(keepends=True)
    first = next(n for n, line in enumerate(data) if line.startswith(b'{"record":"lines"'))
    data[first] = re.sub(rb'"lines":\[.*\]}', b'"lines":[%s]}' % entry.encode(), data[first])
    index.write_bytes(b"".join(data))
    start, end = ranges(data)[first]
    assert (index.name, "index damaged", start, end, 0) in found(path)
