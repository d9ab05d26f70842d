"""Which segments of a log folder are old enough to go: closed ones only, whole days before today."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from recsys.eventlog.writing import places, segment


def expired(folder: Path, log: str, *, today: date, keep_days: int) -> list[Path]:
    """The files of this log, and of no other, whose day is more than ``keep_days`` before ``today``: segments, and what
    stands beside them."""
    oldest_kept = today - timedelta(days=keep_days)
    found = []
    for path in sorted(folder.iterdir()):
        name = segment.parse(path.name)
        if name is not None and name.log == log and name.day < oldest_kept and path.is_file():
            found.append(path)
    return found


def prune(folder: Path, log: str, *, today: date, keep_days: int, files: Any = os) -> list[Path]:
    """Remove what is expired and closed; returns what was removed. Of a segment, the index goes last: until then it
    tells what was there. OSError where something cannot be removed."""
    old = expired(folder, log, today=today, keep_days=keep_days)
    removed = []
    for path in sorted(old, key=lambda each: (segment.plain_name(each), each.name.endswith(segment.INDEX))):
        plain = path.with_name(segment.plain_name(path))
        with closed(plain) as is_closed:
            if is_closed:
                with contextlib.suppress(FileNotFoundError):
                    files.unlink(path)
                    removed.append(path)
    return removed


@contextmanager
def closed(path: Path) -> Iterator[bool]:
    """Whether no writer holds the segment; while that is so, it is held here. A segment that is gone, or packed, is
    nobody's."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield True
        return
    try:
        yield places.try_lock(fd)
    finally:
        os.close(fd)
