"""What a crash left: segments without a seal. Each is repaired under its lock, which its writer holds while it lives.

The index says how far the segment was acknowledged and indexed. Only what stands behind that is read: whole records are
indexed, half ones are cut off and kept beside the log, and lines that the index knows and the file has lost are counted
as a gap. So the cost does not grow with the segment, unless its index is gone: then it is read once, from end to end.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import zlib
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, Struct

from recsys.eventlog.writing import index as indexes
from recsys.eventlog.writing import places, swap
from recsys.eventlog.writing.index import (
    HEADER_BYTES,
    Closed,
    Content,
    Damaged,
    End,
    Erased,
    Gap,
    Header,
    IndexWriter,
    Lines,
    Opened,
    Record,
    Seal,
    Torn,
)
from recsys.eventlog.writing.segment import INDEX, index_of, parse, segments

BLOCK_BYTES = 4 << 20
YOUNG_S = 60

_is_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Recovered(Struct, frozen=True, kw_only=True):
    """What was done to one segment. ``lost``: lines that were written, and are gone. ``problem``: why nothing was."""

    path: Path
    adopted: int = 0
    torn: int = 0
    damaged: int = 0
    lost: int = 0
    gap: int = 0
    problem: str = ""

    def __str__(self) -> str:
        if self.problem:
            return f"{self.path}: not repaired (found {self.problem}). It stays as it is, and is tried again."
        told = [
            (self.adopted, "lines put into the index"),
            (self.torn, "bytes of an unfinished record cut off, and kept in *.torn"),
            (self.damaged, "bytes within the log are no records"),
            (self.lost, "lines that were written are gone, and recorded as a gap"),
            (self.gap, "records that could not be written, recorded as a gap"),
        ]
        done = "; ".join(f"{count:,} {text}" for count, text in told if count)
        return f"{self.path}: {done or 'whole'}; sealed"


def recover(folder: Path, log: str, *, now: datetime, files: Any = os) -> Iterator[Recovered]:
    """Repair and seal every segment of a log that no writer holds. What cannot be repaired now is told, and passed
    over: another try may do it."""
    with contextlib.suppress(OSError):
        swap.finish(folder, files)
    for path in segments(folder, log):
        if path.suffix != ".jsonl" or _just_made(path, now):
            continue
        try:
            done = recover_segment(path, now=now, files=files)
        except FileNotFoundError:  # another process was faster
            continue
        except OSError as error:
            done = Recovered(path=path, problem=str(error))
        if done is not None:
            yield done


def _just_made(path: Path, now: datetime) -> bool:
    """Whether its writer may be about to lock it: until then it has no index and no line."""
    try:
        found = path.stat()
    except OSError:  # gone, or it cannot be looked at
        return True
    return not found.st_size and abs(now.timestamp() - found.st_mtime) < YOUNG_S and not index_of(path).exists()


def recover_segment(path: Path, *, now: datetime, files: Any = os) -> Recovered | None:
    """Repair and seal one segment; None where a writer holds it, or it is sealed already. OSError where it cannot be
    written."""
    content = indexes.read_ends(index_of(path))
    if content.sealed is not None:
        return None
    fd = files.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        content = indexes.read_ends(index_of(path))  # its writer may have sealed it a moment ago
        if content.sealed is not None or not places.leads_to(path, fd):
            return None
        return _Repair(path, fd, content, now, files).run()
    finally:
        files.close(fd)


def settle(index: Path, *, files: Any = os) -> int:
    """Record the gap that a writer of a log that is one file could not record before it ended; returns its count, and 0
    where there is none, or the writer lives. OSError where the index cannot be written."""
    if _pending_of(indexes.read_header(index)) is None:
        return 0
    lock = files.open(index, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        content = indexes.read_ends(index)
        pending = _pending_of(content.header)
        if content.header is None or pending is None:
            return 0
        header = content.header
        begins = index.name.removesuffix(f"{header.sequence}{INDEX}")
        followed = index.with_name(f"{begins}{header.sequence + 1}{INDEX}")
        made = IndexWriter.reopen(index, content.bytes, header, files)
        is_told = content.tells(pending) or _has(followed, pending)
        if not is_told:
            made.add(pending)
        made.pend(None)
        made.close()
        return 0 if is_told else pending.count
    except BlockingIOError:
        return 0
    finally:
        files.close(lock)


def count_lost(index: Path, fd: int, *, now: datetime, files: Any = os) -> int:
    """Record as a gap the lines that a dead writer had written to the log ``fd``, and that the file is too short for: a
    power cut took them. Returns their count. The log must be locked. OSError where the index cannot be written."""
    found = os.fstat(fd)
    ends = indexes.read_ends(index)
    if ends.header is None or _known_to(ends.records) <= found.st_size:
        return 0
    lock = files.open(index, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        content = indexes.read(index)
        here = any((each.inode, each.device) == (found.st_ino, found.st_dev) for each in content.of(Opened))
        gone = [ts for entry in content.of(Lines) for end, ts in _ends_of(entry) if end > found.st_size]
        if content.header is None or not here or not gone or content.of(End) or content.of(Closed):
            return 0  # a writer that ended in order left a file that may be gone: its inode is used again
        if _were_seen(index, content, found):
            return 0
        made = IndexWriter.reopen(index, content.bytes, content.header, files)
        gap = Gap(lost=len(gone), first=gone[0], last=now, reason="lines that were written are gone")
        made.add(*([] if content.tells(gap) else [gap]), End(at=found.st_size, ts=now, lost=len(gone)))
        made.close()
        return len(gone)
    except BlockingIOError:
        return 0
    finally:
        files.close(lock)


def _were_seen(index: Path, content: Content, file: os.stat_result) -> bool:
    """Whether another writer has found all of an index's lines in the file since: then this file is a later one, to
    which the inode of that one went."""
    last = content.of(Lines)[-1]
    name = "" if content.header is None else content.header.file
    others = [path for path in index.parent.iterdir() if path.name.startswith(f"{name}.") and path.suffix == INDEX]
    return any(
        (each.inode, each.device) == (file.st_ino, file.st_dev) and each.at >= last.end and each.ts > last.ts
        for path in others
        for each in indexes.read(path).of(Opened)
    )


def _known_to(records: list[Record]) -> int:
    """How far the last lines reach; 0 where their loss is told already."""
    last = next((record for record in reversed(records) if isinstance(record, Lines | End)), None)
    return last.end if isinstance(last, Lines) else 0


def _ends_of(entry: Lines) -> Iterator[tuple[int, datetime]]:
    end = entry.at
    for length, _ in entry.lines:
        end += length
        yield end, entry.ts


def _has(index: Path, gap: Gap) -> bool:
    """Whether a gap of the index before was taken along into this one, and is told, or still kept, there."""
    content = indexes.read(index)
    begun = _pending_of(content.header)
    return content.tells(gap) or (begun is not None and begun.first == gap.first)


def _pending_of(header: Header | None) -> Gap | None:
    return None if header is None or header.pending is UNSET else header.pending


class _Repair:
    """One segment under its lock."""

    def __init__(self, path: Path, fd: int, content: Content, now: datetime, files: Any) -> None:
        self._path = path
        self._fd = fd
        self._content = content
        self._now = now
        self._files = files
        self._size = os.fstat(fd).st_size
        self._records: list[Record] = []

    def run(self) -> Recovered:
        index = self._open_index()
        try:
            at, before, crc, lost = self._acknowledged()
            limit = min([end.at for end in self._content.of(End) if not end.lost] + [self._size])
            self._files.fdatasync(self._fd)  # before the index tells of anything that memory alone holds
            at, before, crc, adopted, damaged = self._adopt(at, max(at, limit), before, crc, index)
            torn = self._cut(at)
            gap = self._pending()
            self._files.fdatasync(self._fd)
            index.add(*self._records)
            index.pend(None)  # before the seal: who reads a sealed index finds each gap once
            places.sync_folder(self._files, self._path.parent)
            index.add(Seal(bytes=at, lines=before, crc=crc, first=self._first(), last=self._last()))
            index.sync()
        finally:
            index.close()
        if not before and not self._tells_of_loss() and not self._followed():  # it ended before its first line
            self._files.unlink(self._path)
            self._files.unlink(index_of(self._path))
        return Recovered(path=self._path, adopted=adopted, torn=torn, damaged=damaged, lost=lost, gap=gap)

    def _open_index(self) -> IndexWriter:
        """The index, made anew where it is gone, without what is torn at its end."""
        path, name = index_of(self._path), parse(self._path.name)
        header = self._content.header
        if header is None:
            writer, _, sequence = ("" if name is None else name.writer).rpartition("-")
            born = datetime.fromtimestamp(os.fstat(self._fd).st_mtime, UTC)
            header = Header(
                log="" if name is None else name.log, file=self._path.name, writer=writer,
                sequence=int(sequence) if sequence.isdigit() and len(sequence) < 18 else 1, opened=born,
            )  # fmt: skip
            size = self._content.bytes
            records = indexes.read(path).records if size > HEADER_BYTES else []
            self._content = Content(header=header, records=records, bytes=size)
            if not records:
                with contextlib.suppress(FileNotFoundError):
                    self._files.unlink(path)
                return IndexWriter.create(path, header, self._files)
        return IndexWriter.reopen(path, self._content.bytes, header, self._files)

    def _acknowledged(self) -> tuple[int, int, int, int]:
        """Up to where the file holds what its index says, the lines and the CRC-32 up to there, and the lines lost."""
        entries = [record for record in self._content.records if isinstance(record, Lines)]
        if not entries:
            return 0, 0, 0, 0
        known = indexes.summed(self._content.records)[1]
        if entries[-1].end > self._size or not self._last_lines_hold(entries):
            entries = indexes.read(index_of(self._path)).of(Lines)
        at, before, crc = self._whole(entries)
        lost = 0 if known == before else self._gone(entries, at)
        header = self._content.header
        if not at and header is not None and header.file != self._path.name:  # it tells of another file
            lost = 0
        if lost:
            gone = Gap(lost=lost, first=entries[-1].ts, last=self._now, reason="lines that were written are gone")
            # The gap first: as long as it is not followed by its end, another try finds it again
            self._records += [*([] if self._content.tells(gone) else [gone]), End(at=at, ts=self._now, lost=lost)]
        return at, before, crc, lost

    def _gone(self, entries: list[Lines], at: int) -> int:
        """How many lines that the index knows from ``at`` on stand nowhere behind it: some may only have moved."""
        known: Counter[tuple[int, int]] = Counter()
        for entry in entries:
            end = entry.at
            for each in entry.lines:
                end += each[0]
                known[each] += end > at
        for block in _blocks(self._fd, at, self._size):
            for line in block.split(b"\n")[:-1]:
                known[len(line) + 1, zlib.crc32(b"\n", zlib.crc32(line))] -= 1
        return sum(count for count in known.values() if count > 0)

    def _last_lines_hold(self, entries: list[Lines]) -> bool:
        length, crc = entries[-1].lines[-1]
        return zlib.crc32(os.pread(self._fd, length, entries[-1].end - length)) == crc

    def _whole(self, entries: list[Lines]) -> tuple[int, int, int]:
        """The end of the last line that is as its index says, with lines and CRC-32 up to there."""
        for entry in reversed(entries):
            end = entry.end
            for place in range(len(entry.lines), 0, -1):
                length, crc = entry.lines[place - 1]
                if end <= self._size and zlib.crc32(os.pread(self._fd, length, end - length)) == crc:
                    if place == len(entry.lines) and entry.crc is not UNSET:
                        return end, entry.before + place, entry.crc
                    return end, entry.before + place, _crc_to(self._fd, end)
                end -= length
        return 0, 0, 0

    def _adopt(self, at: int, limit: int, before: int, crc: int, index: IndexWriter) -> tuple[int, int, int, int, int]:
        """Index the whole records between ``at`` and ``limit``; returns their end, with all lines and the CRC-32 up to
        there, how many there were, and the bytes between them that are none."""
        adopted = damaged = 0
        bad: list[bytes] = []
        for block in _blocks(self._fd, at, limit):
            lines = block.split(b"\n")[:-1]
            good: list[bytes] = []
            for line in lines:
                if _whole_record(line):
                    if bad:
                        at, before, crc = self._take(good, at, before, crc)
                        good = []
                        at, crc, size = self._skip(bad, at, crc)
                        damaged += size
                    good.append(line)
                    adopted += 1
                else:
                    if good:
                        at, before, crc = self._take(good, at, before, crc)
                        good = []
                    bad.append(line)
            at, before, crc = self._take(good, at, before, crc)
            if before:  # else it may be that nothing of the segment stays but what is told of it
                index.add(*self._records)  # a gigabyte without an index would be much to keep
                self._records.clear()
        return at, before, crc, adopted, damaged

    def _take(self, lines: list[bytes], at: int, before: int, crc: int) -> tuple[int, int, int]:
        for record in indexes.of_lines(lines, at, before, self._now, crc):
            self._records.append(record)
            at, before, crc = record.end, before + len(record.lines), record.crc or 0
        return at, before, crc

    def _skip(self, bad: list[bytes], at: int, crc: int) -> tuple[int, int, int]:
        """Bytes that are no records, with records behind them: they stay, for nothing in a log is moved."""
        data = b"\n".join(bad) + b"\n"
        bad.clear()
        self._records.append(Damaged(at=at, bytes=len(data), ts=self._now))
        return at + len(data), zlib.crc32(data, crc), len(data)

    def _cut(self, at: int) -> int:
        torn = self._size - at
        if torn > 0:
            places.keep_torn(self._files, self._path, self._fd, at, self._size)
            self._records.append(Torn(at=at, bytes=torn, ts=self._now))
        return max(torn, 0)

    def _pending(self) -> int:
        """Record the gap that its writer could not; one that it recorded before it could take it out of its place, or
        took along into its next segment, is not recorded again."""
        header = self._content.header
        pending = UNSET if header is None else header.pending
        if pending is UNSET or self._content.tells(pending):
            return 0
        if any(_has(path, pending) for path in self._followed()):
            return 0
        self._records.append(pending)
        return pending.count

    def _tells_of_loss(self) -> bool:
        return any(isinstance(record, Gap | Erased) for record in [*self._content.records, *self._records])

    def _followed(self) -> list[Path]:
        """The index of the next segment of the same writer, where there is one."""
        header = self._content.header
        if header is None or not header.writer:
            return []
        name = f"{header.log}-*.{header.writer}-{header.sequence + 1}.jsonl{INDEX}"
        return sorted(self._path.parent.glob(name))

    def _first(self) -> datetime:
        return self._content.header.opened if self._content.header is not None else self._now

    def _last(self) -> datetime:
        known = [record.ts for record in self._content.records if isinstance(record, Lines)]
        return known[-1] if known else self._first()


def _whole_record(line: bytes) -> bool:
    """Whether a line is a JSON object: enough to tell a record from what a crash leaves."""
    try:
        _is_object(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _blocks(fd: int, at: int, limit: int) -> Iterator[bytes]:
    """Whole lines between two offsets, many at once; what follows the last newline is left out."""
    rest = b""
    while at < limit:
        data = os.pread(fd, min(BLOCK_BYTES, limit - at), at)
        if not data:
            return
        at += len(data)
        whole, newline, rest = (rest + data).rpartition(b"\n")
        if newline:
            yield whole + newline


def _crc_to(fd: int, end: int) -> int:
    crc = at = 0
    while at < end:
        data = os.pread(fd, min(BLOCK_BYTES, end - at), at)
        if not data:
            break
        crc, at = zlib.crc32(data, crc), at + len(data)
    return crc
