"""A log that is a folder: each writer has a segment of its own, locked while it lives, for each UTC day."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import threading
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec import UNSET

from recsys.eventlog.writing import index as indexes
from recsys.eventlog.writing import places
from recsys.eventlog.writing.index import End, Gap, Header, IndexWriter, Record, Seal
from recsys.eventlog.writing.observer import Observer
from recsys.eventlog.writing.segment import SegmentName, index_of

_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC

LOOK_EVERY = timedelta(seconds=1)


class Segment:
    """A segment that is written to, and its index. ``size``: up to there everything is acknowledged."""

    def __init__(self, path: Path, fd: int, index: IndexWriter, header: Header, files: Any) -> None:
        self.path = path
        self.index = index
        self.opened = header.opened
        self.size = 0
        self.spoiled = False
        self._fd = fd
        self._files = files
        self._lines = 0
        self._crc = 0
        self._last = header.opened

    @classmethod
    def create(cls, path: Path, header: Header, files: Any, *, durable: bool) -> Segment:
        """A new segment under its lock. FileExistsError where the name is taken, other OSErrors where it cannot be."""
        fd = _locked(path, files)
        try:
            index = IndexWriter.create(index_of(path), header, files)
            try:
                if durable:
                    places.sync_folder(files, path.parent)
            except OSError:
                index.close()
                files.unlink(index.path)
                raise
        except OSError as error:
            with contextlib.suppress(OSError):
                files.unlink(path)
            with contextlib.suppress(OSError):
                files.close(fd)
            if error.errno == errno.EEXIST:  # of an index without its segment: the next number is free
                raise FileExistsError(error.errno, error.strerror, str(path)) from None
            raise
        return cls(path, fd, index, header, files)

    @property
    def still_there(self) -> bool:
        """Whether its name still leads to it: nobody renamed or removed it."""
        return places.leads_to(self.path, self._fd)

    def write(self, data: bytes, ts: datetime) -> None:
        """One write behind what is acknowledged."""
        try:
            places.write_at_end(self._files, self._fd, data, self.size)
        except places.CutError:
            self._spoil(ts)
            raise

    def sync(self) -> None:
        """Flush the lines."""
        self._files.fdatasync(self._fd)

    def note(self, lines: list[bytes], size: int, ts: datetime) -> None:
        """The lines just written are acknowledged: index them."""
        records = list(indexes.of_lines(lines, self.size, self._lines, ts, self._crc))
        crc = records[-1].crc
        self._crc = 0 if crc is UNSET else crc
        self.size += size
        self._lines += len(lines)
        self._last = ts
        self.index.add(*records)

    def cut(self, ts: datetime) -> bool:
        """After a failed flush: cut what was not acknowledged. False where it cannot be cut for good."""
        self._spoil(ts)
        try:
            places.cut_for_good(self._files, self.path, self._fd, self.size)
        except OSError:
            return False
        return True

    def _spoil(self, ts: datetime) -> None:
        self.spoiled = True
        self.index.add(End(at=self.size, ts=ts))

    def seal(self) -> None:
        """Flush everything, and say so in the index. OSError where that fails: then it is left for ``recovery``."""
        try:
            if self.spoiled:
                raise OSError(errno.EIO, "not sealed: a write or a flush failed")
            self.sync()
            places.sync_folder(self._files, self.path.parent)  # the seal vouches for the name too
            self.index.add(Seal(bytes=self.size, lines=self._lines, crc=self._crc, first=self.opened, last=self._last))
            self.index.sync()
        finally:
            self.close()

    def close(self) -> None:
        """Give up the descriptors, and the lock with them."""
        self.index.close()
        with contextlib.suppress(OSError):
            self._files.close(self._fd)


def _locked(path: Path, files: Any) -> int:
    """A new file under its lock. ``recovery`` may look at it in between, and take it away, for it is empty."""
    while True:
        fd: int = files.open(path, _NEW, places.MODE)
        fcntl.flock(fd, fcntl.LOCK_EX)
        if places.leads_to(path, fd):
            return fd
        files.close(fd)


class FolderLog:
    """The segments of one writer, one after the other. Not for several threads at once."""

    def __init__(
        self,
        folder: Path,
        log: str,
        writer: str,
        *,
        clock: Callable[[], datetime],
        files: Any,
        durable: bool,
        segment_bytes: int,
        observer: Observer,
    ) -> None:
        self._folder = folder
        self._log = log
        self._writer = writer
        self._clock = clock
        self._files = files
        self._durable = durable
        self._segment_bytes = segment_bytes
        self._observer = observer
        self._sequence = 0
        self._day: date | None = None
        self._looked: datetime | None = None
        self._segment: Segment | None = None
        self._kept: Segment | None = None
        """A segment that is not written to any more, whose index still takes a gap until the next segment is there."""
        self._pending: Gap | None = None
        self._sealing: list[threading.Thread] = []

    @property
    def path(self) -> Path:
        """The segment that lines go to; the folder before the first one."""
        return self._folder if self._segment is None else self._segment.path

    @property
    def opened(self) -> datetime | None:
        """When the segment was begun."""
        return None if self._segment is None else self._segment.opened

    def open(self) -> None:
        """Make the folder, and try whether a file can be made in it. Segments are made with their first line."""
        places.make_folder(self._files, self._folder, durable=self._durable)
        probe = self._folder / f".{self._log}.{self._writer}.probe"
        self._files.close(self._files.open(probe, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, places.MODE))
        self._files.unlink(probe)

    def write(self, data: bytes) -> None:
        """One write of whole lines into today's segment. OSError where it failed: nothing of it stands."""
        segment = self._current()
        segment.write(data, self._clock())

    def sync(self) -> None:
        """Flush what was written."""
        assert self._segment is not None, "only called after write"  # noqa: S101 - an invariant, not input
        self._segment.sync()

    def note(self, lines: list[bytes], size: int) -> None:
        """What was written last is acknowledged."""
        assert self._segment is not None, "only called after write"  # noqa: S101 - an invariant, not input
        self._segment.note(lines, size, self._clock())

    def set_aside(self) -> bool:
        """After a failed flush: leave the segment, and cut what was not acknowledged. True where that was cut, so that
        it may be written again, elsewhere."""
        segment = self._segment
        assert segment is not None, "only called after write"  # noqa: S101 - an invariant, not input
        cut = segment.cut(self._clock())
        self._leave()
        return cut

    def make_ready(self) -> None:
        """Have an index to record something in. OSError where there is no room for one."""
        self._current()

    def record(self, *records: Record) -> None:
        """Put something else than lines into the index."""
        if self._segment is not None:
            self._segment.index.add(*records)

    def pend(self, gap: Gap) -> None:
        """Keep the gap that is not over yet where a full disk cannot hinder it."""
        self._pending = gap
        segment = self._segment or self._kept
        if segment is not None:
            segment.index.pend(gap)

    def settle(self) -> None:
        """No gap is open any more: it is recorded."""
        self._pending = None
        if self._segment is not None:
            if self._durable:
                with contextlib.suppress(OSError):
                    self._segment.index.sync()
            self._segment.index.pend(None)

    def tick(self) -> None:
        """Seal the segment of a day that is over, also when no line comes. Not while its index keeps a gap that is not
        over: the next line takes that along."""
        if self._pending is not None or self._segment is None:
            return
        if self._segment.size and self._day != self._clock().date():
            self._retire(self._segment)
            self._segment = None

    def close(self) -> None:
        """Seal the segment. Closing twice is allowed."""
        segment, self._segment = self._segment, None
        if segment is not None:
            self._seal(segment)
        for thread in self._sealing:
            thread.join()
        self._sealing.clear()
        if self._kept is not None:  # with the gap that it may hold, for `recovery`
            self._kept.close()
            self._kept = None

    def _current(self) -> Segment:
        """Today's segment, made where there is none that may be written to."""
        now = self._clock()
        today = now.date()
        segment = self._segment
        if segment is not None and segment.spoiled:
            self._leave()
            segment = None
        if segment is None or self._day != today or segment.size >= self._segment_bytes or self._is_gone(segment, now):
            new = self._create(today)
            self._segment, self._day = new, today
            if self._pending is not None:
                new.index.pend(self._pending)
            if segment is not None:
                segment.index.pend(None)
                self._retire(segment)
            self._let_go()
            return new
        return segment

    def _is_gone(self, segment: Segment, now: datetime) -> bool:
        """Whether somebody renamed or removed the segment, which nobody should: a look at its name a second will do."""
        if self._looked is not None and abs(now - self._looked) < LOOK_EVERY:
            return False
        self._looked = now
        return not segment.still_there

    def _create(self, day: date) -> Segment:
        while True:
            self._sequence += 1
            name = str(SegmentName(self._log, day, f"{self._writer}-{self._sequence}"))
            header = Header(
                log=self._log, file=name, writer=self._writer, sequence=self._sequence, opened=self._clock()
            )  # fmt: skip
            try:
                places.make_folder(self._files, self._folder, durable=self._durable)
                return Segment.create(self._folder / name, header, self._files, durable=self._durable)
            except FileExistsError:
                continue
            except OSError:
                self._sequence -= 1  # numbers have no holes: a hole is a segment that was taken away
                raise

    def _leave(self) -> None:
        """Write no more to the segment; its index may still be needed for a gap."""
        assert self._kept is None, "let go when this segment was begun"  # noqa: S101 - an invariant, not input
        self._kept, self._segment = self._segment, None

    def _let_go(self) -> None:
        if self._kept is not None:
            self._kept.index.pend(None)
            self._kept.close()
            self._kept = None

    def _retire(self, segment: Segment) -> None:
        """Seal it in a thread: flushing a day's last lines would keep requests waiting."""
        self._sealing = [thread for thread in self._sealing if thread.is_alive()]
        thread = threading.Thread(target=self._seal, args=(segment,), name="log-seal", daemon=True)
        self._sealing.append(thread)
        thread.start()

    def _seal(self, segment: Segment) -> None:
        try:
            segment.seal()
        except OSError:
            self._observer.flush_failed()
        else:
            self._observer.sealed()
