"""Appending lines to a log: a line is whole, or it is not there, and it is written before anyone is told so.

A log is a file that several processes share (``shared``), or a folder in which each process has segments of its own
(``folder``). ``append`` returns when the lines are in the file; with ``fsync`` they are on the disk by then, many
requests' lines with one flush (``commit``). A write that fails is cut back at once. A flush that fails is never tried
again: its file is left, and its lines go to a fresh one, or whoever waits for them is told. What is in no log is
counted, and recorded as a gap in the index as soon as there is room for it.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from recsys.errors import ConfigError, StorageError
from recsys.eventlog.writing import places
from recsys.eventlog.writing.commit import Committer
from recsys.eventlog.writing.folder import FolderLog
from recsys.eventlog.writing.index import Alias, Gap
from recsys.eventlog.writing.observer import Observer
from recsys.eventlog.writing.shared import SharedLog

SEGMENT_BYTES = 1 << 30
MAX_WAITING = 1_000
MAX_WAITING_BYTES = 64 << 20
OnError = Literal["serve", "fail"]
Compression = Literal["none", "zstd"]


class LogSettings(Struct, frozen=True, kw_only=True):
    """Where a log goes, and what holds of it.

    ``path`` is a folder when it exists as one or ends in ``/``, else a file. ``on_error``: whether requests whose
    record cannot be written are served all the same; it decides what a gap counts. ``max_waiting``: lines that may wait
    for the disk before the log says that it is busy. ``compression`` and ``archive_url`` are for closed segments of a
    folder, see ``upkeep``.
    """

    path: str
    fsync: bool = False
    retention_days: int | None = None
    on_error: OnError = "serve"
    max_waiting: int = MAX_WAITING
    segment_bytes: int = SEGMENT_BYTES
    compression: Compression = "none"
    archive_url: str | None = None

    @property
    def is_folder(self) -> bool:
        """Whether the log is a folder of daily segments."""
        return self.path.endswith("/") or Path(self.path).is_dir()


def check_writable(settings: LogSettings, *, log: str) -> None:
    """Open the log for appending and close it again; StorageError names what is in the way. No line is written, but
    folders and an empty file are made where there are none. A full disk passes: it may have room again."""
    path = Path(settings.path)
    try:
        if settings.is_folder:
            path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path):
                return
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, places.MODE))
    except OSError as error:
        if error.errno not in places.FULL:
            raise _failure(error, log, path) from None


def writer_name(clock: Callable[[], float] = time.time) -> str:
    """A name for the writers of this process, which no other process on this machine has or had."""
    return f"w{os.getpid()}-{int(clock() * 1_000_000):x}"


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _failure(error: OSError, log: str, path: Path) -> StorageError:
    hint = f"Check space and permissions, or {log.upper()}_LOG_PATH."
    found = error.strerror or str(error)
    return StorageError(f"the {log} log cannot be written", where=str(path), found=found, hint=hint)


class LogWriter:
    """The appending end of one log in one process.

    ``log`` is the kind ("exposure", "outcome", "assignment") and begins the names of a folder's segments; ``writer``
    tells this process's files from those of others. ``files`` offers the functions of ``os`` that change files, so
    that a test can make them fail.
    """

    def __init__(
        self,
        settings: LogSettings,
        *,
        log: str,
        writer: str,
        clock: Callable[[], datetime] = _utc_now,
        files: Any = os,
        observer: Observer | None = None,
    ) -> None:
        self.settings = settings
        self._log = log
        self._clock = clock
        self._observer = observer or Observer()
        shared = {"clock": clock, "files": files, "durable": settings.fsync, "observer": self._observer}
        self._place: FolderLog | SharedLog
        if settings.is_folder:
            self._place = FolderLog(
                Path(settings.path), log, writer, segment_bytes=settings.segment_bytes, **shared
            )  # fmt: skip
        else:
            self._place = SharedLog(Path(settings.path), log, writer, **shared)
        self._gap: Gap | None = None
        self._aliases: deque[Alias] = deque()
        self._failed = False
        self._turn = threading.Lock()  # not held across a flush: with a committer, its thread alone writes
        self._committer: Committer | None = None

    @property
    def durable(self) -> bool:
        """Whether lines are flushed to the disk before they are acknowledged."""
        return self.settings.fsync

    @property
    def path(self) -> Path:
        """The file that lines go to now."""
        return self._place.path

    @property
    def opened(self) -> datetime | None:
        """When that file was opened; None where there is none yet."""
        return self._place.opened

    @property
    def writable(self) -> bool:
        """Whether the last lines could be written; true before the first."""
        return not self._failed

    @property
    def waiting(self) -> int:
        """Lines that wait for the disk."""
        return 0 if self._committer is None else self._committer.lines

    @property
    def has_room(self) -> bool:
        """Whether another line may wait for the disk."""
        committer = self._committer
        return committer is None or (
            committer.lines < self.settings.max_waiting and committer.bytes < MAX_WAITING_BYTES
        )

    def open(self) -> None:
        """Open the log, and cut a torn tail. StorageError names what is in the way; damage and a full disk are not."""
        if self.settings.retention_days is not None and not self.settings.is_folder:
            raise ConfigError(
                "retention needs a folder",
                where=f"{self._log.upper()}_LOG_RETENTION_DAYS",
                found=f"the log is the file {self.settings.path}",
                hint="End the path with / for daily files, or leave the retention to logrotate.",
            )
        try:
            self._place.open()
        except OSError as error:
            if error.errno not in places.FULL:
                raise _failure(error, self._log, self.path) from error
            self._failed = True  # the next line tries again
        if self.settings.fsync:
            self._committer = Committer(self._commit)

    def append(self, *lines: bytes) -> None:
        """Write lines (without their newlines), all or none; returns when they are in the file, and with ``fsync`` on
        the disk. StorageError where they are not, also where the log was closed meanwhile."""
        if not lines:
            return
        if self._committer is not None:
            self._committer.submit_and_wait(list(lines))
        else:
            with self._turn:
                self._commit(lines)

    async def append_durable(self, *lines: bytes) -> None:
        """The same from an event loop, which goes on while the disk is waited for."""
        if not lines:
            return
        if self._committer is not None:
            await self._committer.submit(list(lines))
        else:
            with self._turn:
                self._commit(lines)

    def note_alias(self, alias: Alias) -> None:
        """Put into the index, with the next lines, that a subject had another pseudonym before."""
        self._aliases.append(alias)

    def tick(self) -> None:
        """To be called now and then: closes the segment of a day that is over, also when no line comes."""
        self._later(self._place.tick)

    def close(self) -> None:
        """Write what waits, then close the files. Closing twice is allowed."""
        if self._committer is not None:
            self._committer.close()
            self._committer = None
        with self._turn:
            if self._gap is not None:
                with contextlib.suppress(OSError):  # room that came back too late for a line is enough to tell of it
                    self._place.make_ready()
                    self._end_gap(self._gap)
            self._place.close()

    def _later(self, function: Callable[[], None]) -> None:
        """Call a function in the thread that writes."""
        if self._committer is not None:
            self._committer.call(function)
        else:
            with self._turn:
                function()

    def _commit(self, lines: Sequence[bytes]) -> None:
        lines = list(lines)
        data = b"\n".join(lines) + b"\n"
        began = time.perf_counter()
        try:
            self._write(data)
            if self.settings.fsync:
                self._flush(data)
        except OSError as error:
            self._lost(len(lines), error)
            raise _failure(error, self._log, self.path) from error
        self._place.note(lines, len(data))
        if self._aliases:  # others put some in meanwhile
            self._place.record(*[self._aliases.popleft() for _ in range(len(self._aliases))])
        self._failed = False
        if self._gap is not None:
            self._end_gap(self._gap)
        self._observer.committed(len(lines), len(data), time.perf_counter() - began)

    def _write(self, data: bytes) -> None:
        self._place.write(data)

    def _flush(self, data: bytes) -> None:
        """Flush; where that fails, write the lines to a fresh file, once, if they could be cut off the old one."""
        try:
            self._place.sync()
            return
        except OSError:
            self._observer.flush_failed()
            if not self._place.set_aside():
                raise
        self._place.write(data)
        try:
            self._place.sync()
        except OSError:
            self._observer.flush_failed()
            self._place.set_aside()
            raise

    def _lost(self, count: int, error: OSError) -> None:
        """Count lines that are in no log, in memory and, as far as that can be done without room, on the disk."""
        self._failed = True
        now = self._clock()
        before = self._gap
        kind = "refused" if self.settings.on_error == "fail" else "lost"
        counts = {"lost": 0, "refused": 0} if before is None else {"lost": before.lost, "refused": before.refused}
        counts[kind] += count
        reason = (error.strerror or str(error)) if before is None else before.reason  # one gap has one beginning
        self._gap = Gap(first=now if before is None else before.first, last=now, reason=reason, **counts)
        self._place.pend(self._gap)
        self._observer.failed(count)

    def _end_gap(self, gap: Gap) -> None:
        self._place.record(gap)
        self._place.settle()
        self._gap = None
        self._observer.gap(gap.count)
