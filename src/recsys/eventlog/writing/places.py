"""File operations that both kinds of logs share: one write of whole lines, cutting, keeping what was torn, flushing
folders.

``files`` offers the functions of ``os`` that change files, so that a test can make them fail, or forget what was not
flushed.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path
from typing import Any

from recsys.eventlog.writing.segment import torn_of

TAIL_CHUNK = 64 * 1024
MODE = 0o640
UNSURE_BYTES = 16 << 20
"""More than the writers of one file have waiting for a flush."""
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""What may pass without anybody changing a setting: a log that meets it degrades, and does not refuse to start."""


def write_at_end(files: Any, fd: int, data: bytes, size: int) -> None:
    """One write of whole lines to a file of ``size`` bytes. OSError, and nothing of it left, where it was not whole.

    CutError where something may be left.
    """
    problem: OSError
    try:
        written = files.write(fd, data)
        if written == len(data):
            return
        problem = OSError(errno.ENOSPC, f"only {written} of {len(data)} bytes could be written")
    except OSError as error:
        problem = error
    try:
        files.ftruncate(fd, size)
    except OSError as error:
        raise CutError(error.errno, f"{problem}; and what was written of it could not be cut off: {error}") from None
    raise problem


class CutError(OSError):
    """A write failed in part, and its rest stands in the file: nothing may be written behind it."""


def end_of_last_line(fd: int, size: int) -> int:
    """The offset behind the last newline of the first ``size`` bytes; 0 where there is none."""
    end = size
    while end > 0:
        start = max(0, end - TAIL_CHUNK)
        newline = os.pread(fd, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def keep_torn(files: Any, path: Path, fd: int, at: int, size: int) -> None:
    """Cut the bytes from ``at`` on, once they are kept beside the log, and on the disk there."""
    torn = files.open(torn_of(path), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, MODE)
    try:
        place = at
        while place < size:
            part = os.pread(fd, min(TAIL_CHUNK, size - place), place)
            if not part:
                break
            place += files.write(torn, part)
        files.write(torn, b"\n")
        files.fsync(torn)
    finally:
        files.close(torn)
    files.ftruncate(fd, at)


def cut_for_good(files: Any, path: Path, fd: int, at: int) -> None:
    """Cut a file whose flush failed, so that what is cut stays away when the power goes. ``fd`` is not asked to flush
    again, for it may say yes to what it has lost; another descriptor flushes the new length."""
    files.ftruncate(fd, at)
    again = files.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        files.fsync(again)
    finally:
        files.close(again)


def written_again(files: Any, path: Path, size: int) -> int:
    """Write the newest bytes of a file of ``size`` bytes over themselves; returns a descriptor to flush and close. What
    a failed flush left in memory alone is marked clean there, and only a write has it go to the disk again."""
    fd: int = files.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        at = max(0, size - UNSURE_BYTES)
        while at < size:
            part = os.pread(fd, min(TAIL_CHUNK, size - at), at)
            if not part:
                break
            at += files.pwrite(fd, part, at)
    except OSError:
        files.close(fd)
        raise
    return fd


def try_lock(fd: int) -> bool:
    """Take the lock of a file, if nobody has it; whether it is held now, until the descriptor is closed."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def leads_to(path: Path, fd: int) -> bool:
    """Whether a name still leads to an open file: nobody renamed or removed it."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    ours = os.fstat(fd)
    return (there.st_ino, there.st_dev) == (ours.st_ino, ours.st_dev)


def make_folder(files: Any, folder: Path, *, durable: bool) -> None:
    """Make a folder and those above it where they are missing; with ``durable`` their names are flushed."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    if durable:
        for each in missing:
            sync_folder(files, each.parent)


def sync_folder(files: Any, folder: Path) -> None:
    """Flush the names in a folder: a file whose name is not flushed may be gone after a power cut."""
    fd = files.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        files.fsync(fd)
    finally:
        files.close(fd)
