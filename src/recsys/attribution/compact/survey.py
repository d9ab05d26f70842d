"""What of a log is new: its content decides, not its name, so renaming, rotating and compressing change nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct

from recsys.attribution.compact.manifest import Manifest
from recsys.contracts.types import MAX_LINE_BYTES
from recsys.errors import InputError
from recsys.eventlog.writing.places import end_of_last_line

READ_BYTES = 1 << 20
BLANKS = b" \t\r"
_LOOKED_AT = 64

Point = tuple[int, str]
"""So many bytes from the beginning of a log, and their SHA-256."""


class Surveyed(Struct, frozen=True, kw_only=True):
    """A log up to byte ``end``, behind its last whole line; ``sha256`` is of all that.

    New are the bytes from ``start`` on, with line ``line`` (1-based), whose SHA-256 is ``new_sha256``. ``known``: the
    points up to which the content was taken before. ``rest``: bytes behind ``end``, of a line that is not whole yet.
    """

    start: int
    end: int
    line: int
    sha256: str
    new_sha256: str
    known: frozenset[Point]
    rest: int

    @property
    def new_bytes(self) -> int:
        """How much nobody took before."""
        return self.end - self.start


class Known:
    """The points up to which logs of one role were taken."""

    def __init__(self, manifest: Manifest, role: str) -> None:
        self.points: set[Point] = set()
        self.latest: dict[str, Point] = {}
        for batch in manifest.of(role):
            for each in batch.inputs:
                self.add(each.name, (each.bytes, each.sha256))

    def add(self, name: str, point: Point) -> None:
        """The log ``name`` is taken up to there."""
        self.points.add(point)
        self.latest[name] = point


def survey(plain: Path, known: Known, *, closed: bool, on_read: Callable[[int], None]) -> Surveyed:
    """Read a plain file once, and what is new behind known content once more. ``closed``: nothing will be added to it,
    so that its last line is whole without a newline. InputError where it is cut off meanwhile."""
    with plain.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        end = size if closed else _end_of_whole(file.fileno(), size)
        read = _Read(plain, file, on_read)
        hashes: dict[Point, int] = {}
        for length in sorted({length for length, _ in known.points if length <= size} | {end}):
            point = (length, read.until(length))
            hashes[point] = read.lines
        found = frozenset(hashes.keys() & known.points)
        whole = next(hash for length, hash in hashes if length == end)
        start, line = max(((point[0], hashes[point] + 1) for point in found), default=(0, 1))
        if 0 < start < end and os.pread(file.fileno(), 1, start - 1) != b"\n":
            start, line = _behind_newline(file.fileno(), start, line)
        if start >= end:
            return Surveyed(start=end, end=end, line=line, sha256=whole, new_sha256="", known=found, rest=size - start)
        new = whole
        if start > 0:
            file.seek(start)
            new = _Read(plain, file, on_read, start).until(end)
    return Surveyed(start=start, end=end, line=line, sha256=whole, new_sha256=new, known=found, rest=size - end)


class _Read:
    """A file that is read on and on: the hash of all of it so far, and its newlines."""

    def __init__(self, path: Path, file: BinaryIO, on_read: Callable[[int], None], at: int = 0) -> None:
        self.lines = 0
        self._path, self._file, self._on_read, self._at = path, file, on_read, at
        self._digest = sha256()

    def until(self, end: int) -> str:
        """Read up to byte ``end``; the SHA-256 of all that was read."""
        while self._at < end:
            chunk = self._file.read(min(READ_BYTES, end - self._at))
            if not chunk:
                hint = "Compact logs that are complete or grow, or copy them first."
                told = f"{self._at:,} bytes"
                raise InputError("cut off while it was read", where=str(self._path), found=told, hint=hint)
            self._digest.update(chunk)
            self.lines += chunk.count(b"\n")
            self._at += len(chunk)
            self._on_read(len(chunk))
        return self._digest.hexdigest()


def _end_of_whole(fd: int, size: int) -> int:
    """Behind the last whole line: one that ends, or a last one that is a whole object and only lacks its newline."""
    end = end_of_last_line(fd, size)
    if not 0 < size - end <= MAX_LINE_BYTES:
        return end
    line = os.pread(fd, size - end, end)
    try:
        whole = isinstance(msgspec.json.decode(line), dict)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        whole = False
    return size if whole else end


def _behind_newline(fd: int, start: int, line: int) -> tuple[int, int]:
    """Where the next line begins, when a line without its newline was taken and the newline has come since."""
    behind = os.pread(fd, _LOOKED_AT, start)
    blanks = len(behind) - len(behind.lstrip(BLANKS))
    if behind[blanks : blanks + 1] == b"\n":
        return start + blanks + 1, line + 1
    return start, line


def pieces(path: Path, start: int, end: int) -> Iterator[bytes]:
    """The bytes [start, end) of a file, as far as they are there."""
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while start < end and (chunk := file.read(min(READ_BYTES, end - start))):
            yield chunk
            start += len(chunk)
