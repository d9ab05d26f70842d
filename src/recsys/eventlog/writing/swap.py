"""Replacing a log file with its indexes: whatever ends it in the middle, it can be completed or undone.

New files stand beside the old ones under hidden names, ``.….erasing``, until all are written and flushed: the log
first, then its indexes. The renaming of the log decides. As long as its new file stands there, nothing has happened,
and the new files are removed, indexes first; once it does not, the indexes are renamed too. One replacement at a time
is made in a folder.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recsys.eventlog.writing import places
from recsys.eventlog.writing.segment import INDEX

NEW = ".erasing"
ALONE = ".aside"
"""Ends the name of a new file that replaces one file, and nothing with it."""

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
Pieces = Iterable[bytes]


def new_of(path: Path) -> Path:
    """Where the new file of a log or of an index is made."""
    return path.with_name(f".{path.name}{NEW}")


@contextmanager
def locked(folder: Path, *, wait: bool) -> Iterator[bool]:
    """Whether this process may replace files in a folder; no other one does while that is so."""
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(fd)


def write(path: Path, pieces: Pieces, files: Any) -> None:
    """Make a file of these pieces, with the rights of logs, and flush it. OSError where it cannot be made."""
    fd = files.open(path, _CREATE, places.MODE)
    try:
        for piece in pieces:
            rest = memoryview(piece)
            while rest:
                rest = rest[files.write(fd, rest) :]
        files.fsync(fd)
    finally:
        files.close(fd)


def replace(path: Path, pieces: Pieces, indexes: Callable[[Path], Iterable[tuple[Path, Pieces]]], files: Any) -> None:
    """Replace a log by pieces, and with it indexes: ``indexes`` gets the new log, before it has its name, and says what
    each index is to be. OSError where that cannot be done; ``finish`` then completes or undoes it."""
    made = new_of(path)
    write(made, pieces, files)
    places.sync_folder(files, path.parent)  # without the log's, an index's new file would mean that all is decided
    held = os.open(made, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)  # nobody takes the new segment up before its index is there
        beside = []
        for index, content in indexes(made):
            write(new_of(index), content, files)
            beside.append(index)
        places.sync_folder(files, path.parent)
        files.rename(made, path)
        places.sync_folder(files, path.parent)
        for index in beside:
            files.rename(new_of(index), index)
        places.sync_folder(files, path.parent)
    finally:
        os.close(held)


def replace_alone(path: Path, pieces: Pieces, files: Any) -> None:
    """Replace one file; it goes where nothing is left of it."""
    content = b"".join(pieces)
    if not content:
        files.unlink(path)
    else:
        made = path.with_name(f".{path.name}{ALONE}")
        write(made, [content], files)
        files.rename(made, path)
    places.sync_folder(files, path.parent)


def finish(folder: Path, files: Any = os) -> int:
    """Complete or undo what was interrupted in a folder; returns how many files that concerned, and 0 while a
    replacement is being made. OSError where it cannot be done."""
    if not _left(folder):
        return 0
    with locked(folder, wait=False) as is_alone:
        return finish_locked(folder, files) if is_alone else 0


def finish_locked(folder: Path, files: Any = os) -> int:
    """The same for who holds the lock of the folder."""
    left = _left(folder)
    for path in left:
        if path.name.endswith(ALONE):
            files.unlink(path)
    news = [path for path in left if path.name.endswith(NEW)]
    logs = [path for path in news if not path.name.endswith(INDEX + NEW)]
    for path in (path for path in news if path not in logs):
        if logs:
            files.unlink(path)
        else:
            files.rename(path, path.with_name(path.name.removeprefix(".").removesuffix(NEW)))
    if left:
        places.sync_folder(files, folder)
    for path in logs:
        files.unlink(path)
    return len(left)


def _left(folder: Path) -> list[Path]:
    with contextlib.suppress(FileNotFoundError):
        return sorted(
            path for path in folder.iterdir() if path.name.startswith(".") and path.name.endswith((NEW, ALONE))
        )
    return []
