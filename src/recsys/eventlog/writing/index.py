"""The index beside a log file: what was written when, by whom, with a checksum of each line, and what was lost.

Lines of a log carry no keys beyond their contract, so what the log knows of itself stands in a file beside it: a
folder's segment has one (``….jsonl.index``), and a log that is one file has one of each of its writers
(``<file>.<writer>.index``). An index is JSON, one record a line. It is written after the lines it tells of and never
flushed on their account: after a crash it may be short, and ``recovery`` completes it from the log itself.

The first line is of a fixed length. It has room for the gap that is not over yet, so that a loss can be counted in
place while a full disk takes nothing new.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
HEADER_BYTES = 1024
LINES_A_RECORD = 1_000
TAIL_BYTES = 1 << 17
"""More than a record of so many lines has."""
BACKLOG_BYTES = 1 << 20
"""What is kept of an index that cannot be written; beyond that the lines are in the log and in no index."""

Offset = Annotated[int, Meta(ge=0, le=1 << 60)]
Length = Annotated[int, Meta(gt=0, le=1 << 28)]
Sum = Annotated[int, Meta(ge=0, lt=1 << 32)]
Count = Annotated[int, Meta(ge=0, le=1 << 60)]
Instant = Annotated[datetime, Meta(tz=True)]
"""Bounds, so that damage that reads as a record sends nobody to places that no file has, and takes no loss back."""


class _Record(Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="record", gc=False):
    """What all records of an index share. Times are those of the writer's clock."""


class Gap(_Record, frozen=True, kw_only=True, tag="gap"):
    """Records that are in no log: ``lost`` of lists that were shown (or that were written, and are gone), ``refused``
    of requests that were refused because they could not be logged."""

    lost: Count = 0
    refused: Count = 0
    first: Instant
    last: Instant
    reason: str

    @property
    def count(self) -> int:
        """All of them."""
        return self.lost + self.refused


class Header(_Record, frozen=True, kw_only=True, tag="index.v1"):
    """The first line. ``sequence`` counts the files of a writer from 1; ``pending`` is the gap that is not over yet."""

    log: str
    file: str
    writer: str
    sequence: int
    opened: Instant
    pending: Gap | UnsetType = UNSET


class Opened(_Record, frozen=True, kw_only=True, tag="opened"):
    """A log that is one file was opened: it is ``inode`` now, ``at`` bytes long."""

    inode: int
    device: int
    at: int
    ts: Instant


class Lines(_Record, frozen=True, kw_only=True, tag="lines"):
    """Lines that were written: from byte ``at`` on, each by its length with the newline, and its CRC-32.

    ``before``: the lines that this writer had written into the file before. ``crc``: of the file up to the end of these
    lines, where the file has one writer.
    """

    at: Offset
    before: Offset
    ts: Instant
    crc: Sum | UnsetType = UNSET
    lines: Annotated[list[tuple[Length, Sum]], Meta(min_length=1)]

    @property
    def end(self) -> int:
        """The byte after the last of these lines."""
        return self.at + sum(length for length, _ in self.lines)


class End(_Record, frozen=True, kw_only=True, tag="end"):
    """Nothing from byte ``at`` on is acknowledged: a flush failed, or, where ``lost`` counts them, the lines that were
    there are gone (and a gap tells so)."""

    at: Offset
    ts: Instant
    lost: Count = 0


class Torn(_Record, frozen=True, kw_only=True, tag="torn"):
    """Bytes that were no whole record were cut off at ``at``; they are in the file ``*.torn``."""

    at: int
    bytes: int
    ts: Instant


class Damaged(_Record, frozen=True, kw_only=True, tag="damaged"):
    """Bytes within the log that are no record, as a power cut leaves them."""

    at: int
    bytes: int
    ts: Instant


class Alias(_Record, frozen=True, kw_only=True, tag="alias"):
    """One subject under two salts: what it was known by before, and what it is known by now."""

    previous: str
    current: str


class Seal(_Record, frozen=True, kw_only=True, tag="seal"):
    """The segment is closed and on the disk: so many bytes and lines, written between ``first`` and ``last``; ``crc``
    is the CRC-32 of the file."""

    bytes: Offset
    lines: Count
    crc: Sum
    first: Instant | UnsetType = UNSET
    last: Instant | UnsetType = UNSET


class Erased(_Record, frozen=True, kw_only=True, tag="erased"):
    """The receipt of an erasure: so many lines were taken out. It does not say whose."""

    lines: Count
    ts: Instant


class Closed(_Record, frozen=True, kw_only=True, tag="closed"):
    """A writer of a log that is one file has ended in order: all that it wrote is indexed."""

    ts: Instant


Record = Header | Opened | Lines | End | Torn | Damaged | Alias | Seal | Gap | Erased | Closed

_decode = msgspec.json.Decoder(Record).decode
_encode = msgspec.json.Encoder().encode


def encoded(record: Record) -> bytes:
    """A record as a line."""
    return _encode(record) + b"\n"


def header_line(header: Header) -> bytes:
    """The first line, filled up with spaces to its fixed length."""
    return _encode(header).ljust(HEADER_BYTES - 1) + b"\n"


def of_lines(lines: list[bytes], at: int, before: int, ts: datetime, crc: int | UnsetType) -> Iterator[Lines]:
    """The records of lines (without their newlines) that stand from ``at`` on, a thousand lines each."""
    for start in range(0, len(lines), LINES_A_RECORD):
        part = lines[start : start + LINES_A_RECORD]
        sums = [(len(line) + 1, zlib.crc32(b"\n", zlib.crc32(line))) for line in part]
        if crc is not UNSET:
            for line in part:
                crc = zlib.crc32(b"\n", zlib.crc32(line, crc))
        yield Lines(at=at, before=before + start, ts=ts, crc=crc, lines=sums)
        at += sum(length for length, _ in sums)


class IndexWriter:
    """The writing end of an index. What cannot be written waits for the next record; nothing here fails a request."""

    def __init__(self, path: Path, fd: int, size: int, header: Header, files: Any) -> None:
        self.path = path
        self._fd = fd
        self._size = size
        self._header = header
        self._files = files
        self._waiting: list[Record] = []
        self._slot_is_stale = False

    @classmethod
    def create(cls, path: Path, header: Header, files: Any) -> IndexWriter:
        """A new index; FileExistsError where there is one, other OSErrors where it cannot be made."""
        fd = files.open(path, _NEW, 0o640)
        line = header_line(header)
        try:
            written = files.pwrite(fd, line, 0)
            if written != len(line):
                raise OSError(f"only {written} of {len(line)} bytes could be written")
        except OSError:
            with contextlib.suppress(OSError):
                files.close(fd)
            with contextlib.suppress(OSError):
                files.unlink(path)
            raise
        return cls(path, fd, len(line), header, files)

    @classmethod
    def reopen(cls, path: Path, size: int, header: Header, files: Any) -> IndexWriter:
        """An index whose writer ended, to go on behind its first ``size`` bytes; what follows them is cut."""
        fd = files.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            files.ftruncate(fd, size)
        except OSError:
            with contextlib.suppress(OSError):
                files.close(fd)
            raise
        return cls(path, fd, size, header, files)

    @property
    def fd(self) -> int:
        """The descriptor, for its lock."""
        return self._fd

    def add(self, *records: Record) -> None:
        """Write records, after those that could not be written before."""
        self._waiting += records
        data = b"".join(map(encoded, self._waiting))
        try:
            written = self._files.pwrite(self._fd, data, self._size)
        except OSError:
            written = 0
        if written == len(data):
            self._size += written
            self._waiting.clear()
            if self._slot_is_stale:
                self.pend(None)
        elif len(data) > BACKLOG_BYTES:
            self._waiting = [record for record in self._waiting if not isinstance(record, Lines | Alias)]

    def pend(self, gap: Gap | None) -> None:
        """Put the gap that is not over yet into its place, or take it out. Takes no room of the disk. It is not
        taken out before what was added is written: its record may be among that."""
        self._slot_is_stale = gap is None and bool(self._waiting)
        if self._slot_is_stale:
            return
        line = header_line(msgspec.structs.replace(self._header, pending=UNSET if gap is None else gap))
        try:
            self._files.pwrite(self._fd, line, 0)
        except OSError:
            self._slot_is_stale = gap is None

    def sync(self) -> None:
        """Flush it. OSError where that fails, or where something is not written yet."""
        if self._waiting:
            raise OSError(f"{len(self._waiting)} records of the index could not be written")
        self._files.fsync(self._fd)

    def close(self) -> None:
        """Close it, and with it its lock."""
        with contextlib.suppress(OSError):
            self._files.close(self._fd)


class Content(Struct, frozen=True, kw_only=True):
    """What an index holds. ``bytes``: how long it is without what is torn or damaged at its end; ``bad``: lines of it
    that are no records."""

    header: Header | None
    records: list[Record]
    bytes: int
    bad: int = 0

    def of(self, kind: type[Any]) -> list[Any]:
        """The records of one kind, in their order."""
        return [record for record in self.records if type(record) is kind]

    def tells(self, gap: Gap) -> bool:
        """Whether a gap is recorded here: one gap of a writer is told by when it began."""
        return any((each.first, each.reason) == (gap.first, gap.reason) for each in self.of(Gap))

    @property
    def sealed(self) -> Seal | None:
        """The seal, where there is one."""
        return next((record for record in reversed(self.records) if isinstance(record, Seal)), None)


def read(path: Path) -> Content:
    """All of an index; an empty one where the file is missing. OSError where it cannot be read."""
    try:
        with opened(path) as file:
            return _parsed(file.read())
    except FileNotFoundError:
        return Content(header=None, records=[], bytes=0)


def opened(path: Path) -> BinaryIO:
    """An index for reading. What is no file, such as a pipe of its name, is not waited for."""
    return open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))


def _parsed(data: bytes) -> Content:
    header: Header | None = None
    records: list[Record] = []
    good = at = bad = 0
    for line in data.splitlines(keepends=True):
        at += len(line)
        try:
            record = _decode(line) if line.endswith(b"\n") else None
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            record = None
        if record is None:
            bad += 1
            continue
        good = at
        if isinstance(record, Header):
            header = header or record
        else:
            records.append(record)
    return Content(header=header, records=records, bytes=good, bad=bad)


def read_header(path: Path) -> Header | None:
    """The header alone; None where there is none. OSError where the index cannot be read."""
    with opened(path) as file:
        return _parsed(file.read(HEADER_BYTES)).header


def read_ends(path: Path) -> Content:
    """The header and the last records of an index: enough to go on from, whatever its size."""
    try:
        with opened(path) as file:
            head = file.read(HEADER_BYTES)
            size = file.seek(0, 2)
            if size <= HEADER_BYTES + TAIL_BYTES:
                file.seek(0)
                return _parsed(file.read())
            file.seek(size - TAIL_BYTES)
            tail = file.read()
    except FileNotFoundError:
        return Content(header=None, records=[], bytes=0)
    whole = tail[tail.index(b"\n") + 1 :] if b"\n" in tail else b""
    last = _parsed(whole)
    first = _parsed(head)
    start = size - len(whole)
    return Content(
        header=first.header, records=last.records, bytes=start + last.bytes if last.bytes else start, bad=last.bad
    )


def summed(records: list[Record]) -> tuple[int, int]:
    """How far the file is indexed, and how many lines that are, by the last record of lines."""
    for record in reversed(records):
        if isinstance(record, Lines):
            return record.end, record.before + len(record.lines)
    return 0, 0
