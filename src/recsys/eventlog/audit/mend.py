"""Repairing a log that is one file: a torn tail is cut, and lines that no index knows get an index of their own."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from recsys.eventlog.audit import sections
from recsys.eventlog.audit.layout import Scan
from recsys.eventlog.audit.verify import Checked, verify_file
from recsys.eventlog.writing import index as indexes
from recsys.eventlog.writing import places, recovery, shared
from recsys.eventlog.writing.index import Closed, Damaged, Header, IndexWriter, Opened, Record
from recsys.eventlog.writing.segment import INDEX

WRITER = "repair"
_is_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Mended(Struct, frozen=True, kw_only=True):
    """What was done to a file, or would be. ``unindexed``: lines that are still in no index, and ``why``."""

    path: Path
    torn: int = 0
    indexed: int = 0
    gap: int = 0
    unindexed: int = 0
    why: str = ""

    def __str__(self) -> str:
        told = [
            (self.torn, "bytes of an unfinished record cut off, and kept in *.torn"),
            (self.indexed, "lines put into an index"),
            (self.gap, "records that could not be written, recorded as a gap"),
            (self.unindexed, f"bytes of lines in no index stay so: {self.why}"),
        ]
        return f"{self.path}: {'; '.join(f'{number:,} {text}' for number, text in told if number) or 'whole'}"


def mend(path: Path, *, log: str, now: datetime, dry_run: bool = False, files: Any = os) -> Mended:
    """Repair one file under its lock, which keeps writers waiting meanwhile. OSError where it cannot be written."""
    known = sections.scans(path.parent).get(path.name, [])
    gap = 0 if dry_run else sum(recovery.settle(scan.path, files=files) for scan in known if _was_locked(scan))
    fd = files.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
    try:
        with shared.locked(fd):
            size = os.fstat(fd).st_size
            whole = places.end_of_last_line(fd, size)
            torn = size - whole
            if torn and not dry_run:
                places.keep_torn(files, path, fd, whole, size)
            found = verify_file(path)
            why = _in_the_way(found, sections.scans(path.parent).get(path.name, []))
            ranges = list(_unknown(found, whole))
            if why or not ranges:
                left = sum(end - start for start, end in ranges)
                return Mended(path=path, torn=torn, gap=gap, unindexed=left, why=why)
            records = list(_records(fd, ranges, now))
            if not dry_run:
                _write_index(path, fd, log, records, now, files)
            lines = sum(len(record.lines) for record in records if isinstance(record, indexes.Lines))
            return Mended(path=path, torn=torn, gap=gap, indexed=lines)
    finally:
        files.close(fd)


def _in_the_way(found: Checked, known: list[Scan]) -> str:
    """Why lines cannot be indexed now."""
    if any(fault.kind not in {"no index", "torn"} for fault in found.faults):
        return "the file is not as it was written, see `log verify`"
    with free(known) as nobody:
        return "" if nobody else "a writer is at it, and will index them"


def _unknown(found: Checked, size: int) -> Iterator[tuple[int, int]]:
    """The ranges of whole lines that no index knows: all of a file that has none."""
    everything = any(fault.kind == "no index" for fault in found.faults) or (not found.writers and bool(found.notes))
    for start, end in [(0, size)] if everything else found.unknown:
        if start < size:
            yield start, min(end, size)


def _was_locked(scan: Scan) -> bool:
    """Whether its writer has come as far as to lock it: before that, nobody else may."""
    return bool(scan.sections) and scan.sections[0].opened is not None


@contextmanager
def free(known: list[Scan]) -> Iterator[bool]:
    """Whether no writer of a log that is one file lives; its indexes are locked as long as one does."""
    held: list[int] = []
    try:
        for scan in known:
            if not _was_locked(scan):
                continue
            held.append(os.open(scan.path, os.O_RDONLY | os.O_CLOEXEC))
            fcntl.flock(held[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        for fd in held:
            os.close(fd)


def _records(fd: int, ranges: list[tuple[int, int]], now: datetime) -> Iterator[Record]:
    """The index of what stands in some ranges: records, and bytes that are none."""
    before = 0
    for start, end in ranges:
        data = os.pread(fd, end - start, start)
        at, good = start, list[bytes]()
        for line in _split(data):
            if _whole_record(line):
                good.append(line[:-1])
                continue
            for record in indexes.of_lines(good, at, before, now, UNSET):
                yield record
                at, before = record.end, before + len(record.lines)
            good = []
            yield Damaged(at=at, bytes=len(line), ts=now)
            at += len(line)
        for record in indexes.of_lines(good, at, before, now, UNSET):
            yield record
            before += len(record.lines)


def _split(data: bytes) -> list[bytes]:
    return [line + b"\n" for line in data.split(b"\n")[:-1]]


def _whole_record(line: bytes) -> bool:
    try:
        _is_object(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _write_index(path: Path, fd: int, log: str, records: list[Record], now: datetime, files: Any) -> None:
    found = os.fstat(fd)
    for number in count(1):
        target = path.with_name(f"{path.name}.{WRITER}-{number}{INDEX}")
        header = Header(log=log, file=path.name, writer=WRITER, sequence=number, opened=now)
        try:
            made = IndexWriter.create(target, header, files)
        except FileExistsError:
            continue
        opened = Opened(inode=found.st_ino, device=found.st_dev, at=found.st_size, ts=now)
        try:
            made.add(opened, *records, Closed(ts=now))
            made.sync()
        finally:
            made.close()
        return
