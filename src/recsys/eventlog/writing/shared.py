"""A log that is one file, to which several processes append. Each append and each cut stands under one ``flock``, which
is never held across a flush; what another process left torn is cut before anything is written behind it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

from msgspec import UNSET

from recsys.eventlog.writing import index as indexes
from recsys.eventlog.writing import places, recovery
from recsys.eventlog.writing.index import Closed, Gap, Header, IndexWriter, Opened, Record, Torn
from recsys.eventlog.writing.observer import Observer
from recsys.eventlog.writing.segment import INDEX, PACKED

_DATE = re.compile(r"-[0-9][0-9-]{7,}")
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


def indexes_of(path: Path) -> list[Path]:
    """The indexes of all who wrote to a log that is one file."""
    return sorted(
        found for found in path.parent.iterdir() if found.name.startswith(f"{path.name}.") and found.suffix == INDEX
    )


def aside_prefix(path: Path) -> str:
    """How the names of files begin that a log that is one file was set aside as, after a failed flush:
    ``exposures.failed-<time>-<writer>-<n>.jsonl``."""
    return f"{path.stem}.failed-"


def is_of(path: Path, name: str) -> bool:
    """Whether a file of this name is, or by its name was, the log ``path``: itself, rotated (``exposures.jsonl.1``,
    ``exposures.jsonl-20260205.gz``, ``exposures-20260205.jsonl``), or set aside."""
    without_date = _DATE.sub("", name.removesuffix(".gz").removesuffix(PACKED), count=1)
    return path.name in (name, without_date) or name.startswith((f"{path.name}.", f"{path.name}-", aside_prefix(path)))


@contextmanager
def locked(fd: int) -> Iterator[None]:
    """Under the lock of a file."""
    fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(fd, fcntl.LOCK_UN)


class SharedLog:
    """One writer of a log that is one file. Not for several threads at once."""

    def __init__(
        self,
        path: Path,
        log: str,
        writer: str,
        *,
        clock: Callable[[], datetime],
        files: Any,
        durable: bool,
        observer: Observer,
    ) -> None:
        self.path = path
        self._log = log
        self._writer = writer
        self._clock = clock
        self._files = files
        self._durable = durable
        self._observer = observer
        self._fd: int | None = None
        self._index: IndexWriter | None = None
        self._number = 0
        self._at = 0
        """Where the last write of this writer began."""
        self._end = 0
        """Where it ended: as long as the file ends there, nobody else has written, and nothing is torn."""
        self._lines = 0
        self._pending: Gap | None = None
        self._sure = not durable
        """Whether what stood in the file when this writer came is on the disk."""
        self.opened: datetime | None = None

    def open(self) -> None:
        """Open the file, and cut a torn tail. One that cannot be cut is not in the way of a start: each line tries
        again."""
        fd = self._reopen()
        with contextlib.suppress(OSError):
            self._make_sure(fd)
        for index in indexes_of(self.path):
            with contextlib.suppress(OSError), locked(fd):
                recovery.count_lost(index, fd, now=self._clock(), files=self._files)
            with contextlib.suppress(OSError):
                recovery.settle(index, files=self._files)

    def write(self, data: bytes) -> None:
        """One write of whole lines. OSError where it failed: nothing of it stands in anybody's way."""
        while True:
            fd = self._fd if self._fd is not None else self._reopen()
            if not self._sure:
                self._make_sure(fd)
            with locked(fd):
                if places.leads_to(self.path, fd):
                    size = self._cut_torn(fd)
                    self._at = size
                    places.write_at_end(self._files, fd, data, size)
                    self._end = size + len(data)
                    return
            self._drop()  # renamed or removed: go on in a new file

    def sync(self) -> None:
        """Flush what was written. The file is not locked meanwhile."""
        assert self._fd is not None, "only called after write"  # noqa: S101 - an invariant, not input
        self._files.fdatasync(self._fd)

    def note(self, lines: list[bytes], size: int) -> None:
        """What was written last, ``size`` bytes, is acknowledged."""
        if self._index is not None:
            self._index.add(*indexes.of_lines(lines, self._at, self._lines, self._clock(), UNSET))
        self._lines += len(lines)
        self._end = self._at + size

    def set_aside(self) -> bool:
        """After a failed flush: cut what was not acknowledged, and rename the file, so that everybody goes on in a
        fresh one. True where it was cut; False where other writers' lines stand behind it, or it cannot be cut for
        good."""
        fd = self._fd
        assert fd is not None, "only called after write"  # noqa: S101 - an invariant, not input
        cut = False
        with locked(fd):
            if places.leads_to(self.path, fd):
                if os.fstat(fd).st_size == self._end:
                    with contextlib.suppress(OSError):
                        places.cut_for_good(self._files, self.path, fd, self._at)
                        cut = True
                with contextlib.suppress(OSError):
                    self._files.rename(self.path, self._aside())
        self._drop()
        return cut

    def _aside(self) -> Path:
        """A name that is free, for nothing is renamed over a log, and that ends as a log does: who reads its folder
        reads it too."""
        name = f"{aside_prefix(self.path)}{self._clock():%Y%m%dT%H%M%S%f}-{self._writer}"
        return next(
            path for n in count(1) if not (path := self.path.with_name(f"{name}-{n}{self.path.suffix}")).exists()
        )  # fmt: skip

    def make_ready(self) -> None:
        """Have an index to record something in. OSError where there is no room for one."""
        if self._index is None:
            self._reopen()

    def record(self, *records: Record) -> None:
        """Put something else than lines into the index."""
        if self._index is not None:
            self._index.add(*records)

    def pend(self, gap: Gap) -> None:
        """Keep the gap that is not over yet where a full disk cannot hinder it."""
        self._pending = gap
        if self._index is not None:
            self._index.pend(gap)

    def settle(self) -> None:
        """No gap is open any more: it is recorded."""
        self._pending = None
        if self._index is not None:
            if self._durable:
                with contextlib.suppress(OSError):
                    self._index.sync()
            self._index.pend(None)

    def tick(self) -> None:
        """Nothing has to be done without lines."""

    def close(self) -> None:
        """Close file and index. Closing twice is allowed."""
        if self._index is not None:
            self._index.add(Closed(ts=self._clock()))
            with contextlib.suppress(OSError):
                self._index.sync()
            self._index.close()
            self._index = None
        self._drop()

    def _begin_index(self) -> IndexWriter:
        """An index for the file that was opened. One that told of all files would grow as long as the process lives;
        the one before can go when its file does."""
        begun, before = self._new_index(), self._index
        if self._pending is not None:
            begun.pend(self._pending)
        if before is not None:
            before.pend(None)
            before.add(Closed(ts=self._clock()))
            before.close()
        return begun

    def _drop(self) -> None:
        if self._fd is not None:
            with contextlib.suppress(OSError):  # the number is free again in any case
                self._files.close(self._fd)
            self._fd = None

    def _reopen(self) -> int:
        self._drop()
        places.make_folder(self._files, self.path.parent, durable=self._durable)
        fd: int = self._files.open(self.path, _FLAGS, places.MODE)
        self._fd = fd
        try:
            if self._durable:
                places.sync_folder(self._files, self.path.parent)
            index = self._index = self._begin_index()
            with locked(fd):
                found = os.fstat(fd)
                self.opened = self._clock()
                index.add(
                    Opened(inode=found.st_ino, device=found.st_dev, at=found.st_size, ts=self.opened)
                )  # fmt: skip
        except OSError:
            self._drop()
            raise
        self._end, self._lines = -1, 0
        return fd

    def _make_sure(self, fd: int) -> None:
        """Cut a torn tail. Where lines are flushed, write the newest bytes once more: a writer that was killed after a
        failed flush may have left some that memory alone holds, and lines behind a hole could not be read."""
        with locked(fd):
            size = self._cut_torn(fd)
            again = places.written_again(self._files, self.path, size) if size and not self._sure else None
        if again is not None:
            try:
                self._files.fdatasync(again)
            finally:
                self._files.close(again)
        self._sure = True

    def _new_index(self) -> IndexWriter:
        for number in count(self._number + 1):
            path = self.path.with_name(f"{self.path.name}.{self._writer}-{number}{INDEX}")
            header = Header(
                log=self._log, file=self.path.name, writer=self._writer, sequence=number, opened=self._clock()
            )  # fmt: skip
            with contextlib.suppress(FileExistsError):
                made = IndexWriter.create(path, header, self._files)
                fcntl.flock(made.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # tells that its writer lives
                self._number = number
                return made
        raise AssertionError  # count() has no end

    def _cut_torn(self, fd: int) -> int:
        """Cut what follows the last newline: the rest of a write that a crash ended. Returns the size then. Under the
        lock nobody else is in the middle of a write."""
        size = os.fstat(fd).st_size
        if size in (0, self._end) or os.pread(fd, 1, size - 1) == b"\n":
            return size
        whole = places.end_of_last_line(fd, size)
        places.keep_torn(self._files, self.path, fd, whole, size)
        self._observer.torn(size - whole)
        self.record(Torn(at=whole, bytes=size - whole, ts=self._clock()))
        return whole
