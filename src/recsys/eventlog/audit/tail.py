"""The newest lines of a log over all of its writers, and those that come after them."""

from __future__ import annotations

import contextlib
import heapq
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from recsys.eventlog.audit.stream import opened
from recsys.eventlog.audit.verify import rotated
from recsys.eventlog.writing import index as indexes
from recsys.eventlog.writing import places
from recsys.eventlog.writing.index import Lines
from recsys.eventlog.writing.segment import index_of, parse, segments

POLL_S = 0.2
POLLS_KEPT = 50
"""How often a file that is not written to any more is looked at again."""
READ_BYTES = 1 << 20
_LATEST = datetime.max.replace(tzinfo=UTC)

Line = tuple[datetime, int, Path, int]
"""When it was written, its place in its file, that file, its length."""


def newest(path: Path, log: str, number: int) -> list[bytes]:
    """The last ``number`` lines in the order of writing, each with its newline. OSError where they cannot be read."""
    return _of_folder(path, log, number) if path.is_dir() else _of_files(path, number)


def _of_folder(folder: Path, log: str, number: int) -> list[bytes]:
    found: list[Line] = []
    for _, parts in groupby(reversed(_by_day(folder, log)), _day):
        found += [line for part in parts for line in _known_lines(part, number)]
        if len(found) >= number:
            break
    return [_read(path, at, length) for _, at, path, length in heapq.nlargest(number, found)][::-1]


def _by_day(folder: Path, log: str) -> list[Path]:
    return sorted(segments(folder, log), key=_day)


def _day(path: Path) -> str:
    name = parse(path.name)
    return "" if name is None else name.day.isoformat()


def _known_lines(path: Path, number: int) -> list[Line]:
    """The last lines of a segment, with their times as its index tells; later than all, those it does not know."""
    content = indexes.read_ends(index_of(path))
    known = content.of(Lines)
    if sum(len(record.lines) for record in known) < number:
        known = indexes.read(index_of(path)).of(Lines)
    found: list[Line] = []
    for record in known:
        at = record.at
        for length, _ in record.lines:
            found.append((record.ts, at, path, length))
            at += length
    if path.suffix == ".jsonl":
        at = known[-1].end if known else 0
        with path.open("rb") as file:
            file.seek(at)
            for line in file:
                if line.endswith(b"\n"):
                    found.append((_LATEST, at, path, len(line)))
                at += len(line)
    return found[-number:] if number else []


def _read(path: Path, at: int, length: int) -> bytes:
    if path.suffix == ".jsonl":
        with path.open("rb", buffering=0) as file:
            return os.pread(file.fileno(), length, at)
    with opened(path) as (stream, _):
        stream.skip(at)
        return stream.take(length)


def _of_files(path: Path, number: int) -> list[bytes]:
    """The lines of a file stand in the order of writing; before its first one come the last ones of the file that it
    was before."""
    lines: list[bytes] = []
    for file in reversed(rotated(path)) if path.exists() else []:
        if len(lines) >= number:
            break
        lines = _last_lines(file, number - len(lines)) + lines
    return lines


def _last_lines(path: Path, number: int) -> list[bytes]:
    if path.suffix in (".gz", ".zst"):
        with opened(path) as (stream, _):
            return [line for line in stream.lines_from(0) if line.endswith(b"\n")][-number:]
    with path.open("rb", buffering=0) as file:
        end = places.end_of_last_line(file.fileno(), os.fstat(file.fileno()).st_size)
        start, found, parts = end, 0, deque[bytes]()
        while start > 0 and found <= number:
            size = min(start, places.TAIL_CHUNK)
            start -= size
            parts.appendleft(os.pread(file.fileno(), size, start))
            found += parts[0].count(b"\n")
    lines = [line + b"\n" for line in b"".join(parts).split(b"\n")[:-1]]
    return lines[-number:]


class Follower:
    """Gives the lines that are written from now on. Files are kept open, so that nothing is missed when one is renamed
    or packed; they are let go once nothing more came for a while."""

    def __init__(self, path: Path, log: str) -> None:
        self._path = path
        self._log = log
        self._files: dict[tuple[int, int], _Followed] = {}
        self._seen: set[tuple[int, int]] = set()
        self._find(at_end=True)

    def lines(self, wait: Callable[[float], None] = time.sleep) -> Iterator[bytes]:
        """Lines as they come, without an end."""
        while True:
            self._find()
            found = sorted(line for file in self._files.values() for line in file.more())
            for _, _, _, line in found:
                yield line
            for number, file in list(self._files.items()):
                if file.idle > POLLS_KEPT and not file.is_current:
                    file.close()
                    del self._files[number]
            if not found:
                wait(POLL_S)

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()

    def _find(self, *, at_end: bool = False) -> None:
        paths = segments(self._path, self._log) if self._path.is_dir() else [self._path]
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                stat = path.stat()
                number = (stat.st_ino, stat.st_dev)
                if number not in self._seen and path.suffix != ".zst":
                    self._files[number] = _Followed(path, at_end=at_end)
                self._seen.add(number)


class _Followed:
    """One file that is read as it grows."""

    def __init__(self, path: Path, *, at_end: bool) -> None:
        self._path = path
        self._file = path.open("rb", buffering=0)
        size = os.fstat(self._file.fileno()).st_size
        self._at = places.end_of_last_line(self._file.fileno(), size) if at_end else 0
        self.idle = 0

    def more(self) -> list[tuple[datetime, str, int, bytes]]:
        """Whole lines that were written since the last time, with their times as far as the index tells them."""
        data = os.pread(self._file.fileno(), READ_BYTES, self._at)
        while b"\n" not in data and len(data) % READ_BYTES == 0 and data:
            more = os.pread(self._file.fileno(), READ_BYTES, self._at + len(data))
            if not more:
                break
            data += more
        lines = [line + b"\n" for line in data.split(b"\n")[:-1]]
        self.idle = 0 if lines else self.idle + 1
        times = self._times() if lines else {}
        found = []
        for line in lines:
            found.append((times.get(self._at, _LATEST), self._path.name, self._at, line))
            self._at += len(line)
        return found

    @property
    def is_current(self) -> bool:
        """Whether its name still leads to it, and it is not sealed."""
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return False
        ours = os.fstat(self._file.fileno())
        sealed = parse(self._path.name) is not None and indexes.read_ends(index_of(self._path)).sealed is not None
        return (there.st_ino, there.st_dev) == (ours.st_ino, ours.st_dev) and not sealed

    def _times(self) -> dict[int, datetime]:
        if parse(self._path.name) is None:  # one file: its lines stand in the order of writing
            return {}
        known: dict[int, datetime] = {}
        for record in indexes.read_ends(index_of(self._path)).of(Lines):
            at = record.at
            for length, _ in record.lines:
                known[at] = record.ts
                at += length
        return known

    def close(self) -> None:
        """Let it go."""
        self._file.close()
