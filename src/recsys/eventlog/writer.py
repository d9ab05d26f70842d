"""Appending lines to a log: a line is whole, or it is not there, and it is written before anyone is told so.

A log is a file that several processes share (every append under one ``flock``), or a folder in which each process has
a file of its own for each UTC day. ``append`` returns when the line is in the file; with ``fsync`` the caller awaits
``append_durable``: one thread takes all waiting lines, writes them at once, flushes once, and tells all waiters.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import queue
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from msgspec import Struct

from recsys.errors import ConfigError, StorageError
from recsys.eventlog import retention

LOOK_FOR_RENAME_S = 1.0
TAIL_CHUNK = 64 * 1024


class LogSettings(Struct, frozen=True, kw_only=True):
    """Where a log goes. ``path`` is a folder when it exists as one or ends in ``/``, else a file."""

    path: str
    fsync: bool = False
    retention_days: int | None = None

    @property
    def is_folder(self) -> bool:
        """Whether the log is a folder of daily files."""
        return self.path.endswith("/") or Path(self.path).is_dir()


def check_writable(settings: LogSettings, *, log: str) -> None:
    """Open the log for appending and close it again; StorageError names what is in the way. No line is written, but
    folders and an empty file are made where there are none."""
    path = Path(settings.path)
    try:
        if settings.is_folder:
            path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path):
                return
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o640))
    except OSError as error:
        hint = f"Check space and permissions, or {log.upper()}_LOG_PATH."
        raise StorageError(
            f"the {log} log cannot be written", where=str(path), found=error.strerror or str(error), hint=hint
        ) from None


def _utc_now() -> datetime:
    return datetime.now(UTC)


class LogWriter:
    """The appending end of one log in one process.

    ``log`` is the kind ("exposure", "outcome", "assignment") and begins the names of a folder's files; ``writer`` tells
    this process's files from those of others. ``files`` offers the functions of ``os`` that are used here, so that a
    test can make them fail.
    """

    def __init__(
        self,
        settings: LogSettings,
        *,
        log: str,
        writer: str,
        clock: Callable[[], datetime] = _utc_now,
        files: Any = os,
    ) -> None:
        self._settings = settings
        self._log = log
        self._writer = writer
        self._clock = clock
        self._files = files
        self._folder = settings.is_folder
        self._lock = threading.Lock()
        self._fd: int | None = None
        self._failed = False
        self._path = Path(settings.path)
        self._day: date | None = None
        self._looked = 0.0
        self._committer: _Committer | None = None

    @property
    def durable(self) -> bool:
        """Whether lines are flushed to the disk before they are acknowledged."""
        return self._settings.fsync

    @property
    def path(self) -> Path:
        """The file that lines go to now."""
        return self._path

    @property
    def writable(self) -> bool:
        """Whether the last line could be written; true before the first one."""
        return self._fd is not None and not self._failed

    def open(self) -> None:
        """Open the file, cut a torn tail, remove files past their days. StorageError names what is in the way."""
        if self._settings.retention_days is not None and not self._folder:
            raise ConfigError(
                "retention needs a folder",
                where=f"{self._log.upper()}_LOG_RETENTION_DAYS",
                found=f"the log is the file {self._settings.path}",
                hint="End the path with / for daily files, or leave the retention to logrotate.",
            )
        with self._lock:
            self._reopen()
        if self._settings.fsync:
            self._committer = _Committer(self._append_all)

    def append(self, line: bytes) -> None:
        """Write one line (without its newline); returns when it is in the file. StorageError where it is not."""
        self._append_all([line])

    async def append_durable(self, line: bytes) -> None:
        """Write one line; returns when it is on the disk (with ``fsync``), else when it is in the file."""
        if self._committer is None:
            self.append(line)
        else:
            await self._committer.submit(line)

    def close(self) -> None:
        """Write what waits, then close the file. Closing twice is allowed."""
        if self._committer is not None:
            self._committer.close()
            self._committer = None
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        if self._fd is not None:
            with contextlib.suppress(OSError):  # the number is free again in any case
                self._files.close(self._fd)
            self._fd = None

    def _append_all(self, lines: list[bytes]) -> None:
        data = b"\n".join(lines) + b"\n"
        with self._lock:
            try:
                self._follow()
                self._write(data)
                if self._settings.fsync and self._fd is not None:
                    self._files.fdatasync(self._fd)
            except StorageError:
                self._failed = True
                raise
            except OSError as error:
                self._failed = True
                self._drop()  # the next line opens the log anew, which cuts what may be left of these
                raise self._failure(error) from error
            self._failed = False

    def _follow(self) -> None:
        """Go to the new day's file, or to the new file where another process renamed or removed ours."""
        if self._fd is None or (self._folder and self._clock().date() != self._day):
            self._reopen()
        elif (now := time.monotonic()) - self._looked >= LOOK_FOR_RENAME_S:
            self._looked = now
            if not self._still_ours():
                self._reopen()

    def _still_ours(self) -> bool:
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return False
        ours = os.fstat(self._fd or 0)
        return (there.st_ino, there.st_dev) == (ours.st_ino, ours.st_dev)

    def _reopen(self) -> None:
        self._drop()
        try:
            if self._folder:
                self._enter_day()
            else:
                self._path.parent.mkdir(parents=True, exist_ok=True)
            fd: int = self._files.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o640)
            self._fd = fd
            self._cut_torn_tail(fd)
        except OSError as error:
            self._drop()  # no line may follow a torn one
            raise self._failure(error) from error

    def _enter_day(self) -> None:
        folder = Path(self._settings.path)
        folder.mkdir(parents=True, exist_ok=True)
        self._day = self._clock().date()
        self._path = folder / retention.segment_name(self._log, self._day, self._writer)
        if self._settings.retention_days is not None:
            keep = self._settings.retention_days
            for old in retention.expired(folder, self._log, today=self._day, keep_days=keep):
                old.unlink(missing_ok=True)

    def _write(self, data: bytes) -> None:
        """One write of whole lines. A short one is cut back, so that nobody's next line glues to its rest."""
        fd = self._fd
        assert fd is not None, "only called after _follow"  # noqa: S101 - an invariant of this class, not input
        if not self._folder:
            fcntl.flock(fd, fcntl.LOCK_EX)
        try:
            size = os.fstat(fd).st_size
            try:
                written = self._files.write(fd, data)
            except OSError:
                self._files.ftruncate(fd, size)
                raise
            if written != len(data):
                self._files.ftruncate(fd, size)
                raise OSError(f"only {written} of {len(data)} bytes could be written")
        finally:
            if not self._folder:
                fcntl.flock(fd, fcntl.LOCK_UN)

    def _cut_torn_tail(self, fd: int) -> None:
        """Cut what follows the last newline and keep it beside the log: the rest of a write that a crash ended."""
        fcntl.flock(fd, fcntl.LOCK_EX)
        try:
            size = os.fstat(fd).st_size
            whole = _end_of_last_line(fd, size)
            if whole < size:
                with self._path.with_name(self._path.name + ".torn").open("ab") as torn:
                    torn.write(os.pread(fd, size - whole, whole) + b"\n")
                self._files.ftruncate(fd, whole)
        finally:
            fcntl.flock(fd, fcntl.LOCK_UN)

    def _failure(self, error: OSError) -> StorageError:
        hint = f"Check space and permissions, or {self._log.upper()}_LOG_PATH."
        return StorageError(
            f"the {self._log} log cannot be written", where=str(self._path), found=str(error), hint=hint
        )


def _end_of_last_line(fd: int, size: int) -> int:
    """The offset behind the last newline of the file; 0 where it has none."""
    end = size
    while end > 0:
        start = max(0, end - TAIL_CHUNK)
        newline = os.pread(fd, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


class _Committer:
    """Group commit: one thread writes and flushes everything that waits, then tells all waiters in one hand-over."""

    def __init__(self, commit: Callable[[list[bytes]], None]) -> None:
        self._commit = commit
        self._waiting: queue.SimpleQueue[tuple[bytes, asyncio.Future[None]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="log-commit", daemon=True)
        self._thread.start()

    async def submit(self, line: bytes) -> None:
        """Wait until the line is committed; raises what the commit raised."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.put((line, done))
        await done

    def close(self) -> None:
        """Commit what waits and end the thread."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        last = False
        while not last:
            entries = [self._waiting.get()]
            while not self._waiting.empty():
                entries.append(self._waiting.get())
            last = None in entries
            batch = [entry for entry in entries if entry is not None]
            if batch:
                self._commit_batch(batch)

    def _commit_batch(self, batch: list[tuple[bytes, asyncio.Future[None]]]) -> None:
        failure: Exception | None = None
        try:
            self._commit([line for line, _ in batch])
        except Exception as error:
            failure = error
        by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
        for _, done in batch:
            by_loop.setdefault(done.get_loop(), []).append(done)
        for loop, waiters in by_loop.items():
            with contextlib.suppress(RuntimeError):  # that loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_resolve, waiters, failure)


def _resolve(waiters: list[asyncio.Future[None]], failure: Exception | None) -> None:
    for done in waiters:
        if done.done():
            continue
        if failure is None:
            done.set_result(None)
        else:
            done.set_exception(failure)
