"""What of a log is new: its content decides, not its name, so renaming, rotating and compressing change nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from hashlib import sha256
from itertools import accumulate, islice
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from recsys.contracts.types import MAX_LINE_BYTES
from recsys.errors import InputError
from recsys.eventlog.writing.places import end_of_last_line

READ_BYTES = 1 << 20
FIRST_LINES = 8
"""So many lines tell whether a log is one that was taken, with changes."""
_OF_A_REQUEST = b'"request_id"'

Point = tuple[int, str]
"""So many bytes from the beginning of a log, and their SHA-256."""


class Surveyed(Struct, frozen=True, kw_only=True):
    """A log up to byte ``end``, behind its last newline; ``sha256`` is of all that.

    New are the bytes from ``start`` on, with line ``line`` (1-based), whose SHA-256 is ``new_sha256``. ``known``: the
    points up to which the content was taken before. ``rest``: bytes behind ``end``, of a line without its newline.
    ``first_lines``: see ``manifest.Consumed``.
    """

    start: int
    end: int
    line: int
    sha256: str
    new_sha256: str
    known: frozenset[Point]
    rest: int
    first_lines: list[str]

    @property
    def new_bytes(self) -> int:
        """How much nobody took before."""
        return self.end - self.start


def survey(plain: Path, points: Collection[Point], on_read: Callable[[int], None]) -> Surveyed:
    """Read a plain file once, and what is new behind known content once more. ``points``: up to where logs of its role
    were taken. InputError where it is cut off meanwhile."""
    with plain.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        end = end_of_last_line(file.fileno(), size)
        read = _Read(plain, file, on_read)
        hashes: dict[Point, int] = {}
        for length in sorted({length for length, _ in points if length <= end} | {end}):
            point = (length, read.until(length))
            hashes[point] = read.lines
        found = frozenset(hashes.keys() & set(points))
        whole = next(hash for length, hash in hashes if length == end)
        start, line = max(((point[0], hashes[point] + 1) for point in found), default=(0, 1))
        new = whole
        if 0 < start < end:
            file.seek(start)
            new = _Read(plain, file, on_read, start).until(end)
    return Surveyed(
        start=start, end=end, line=line, sha256=whole, new_sha256=new, known=found, rest=size - end,
        first_lines=_first_lines(plain, end),
    )  # fmt: skip


def _first_lines(plain: Path, end: int) -> list[str]:
    """Hashes of the first whole lines that name a request: blank ones, and headers, are in many logs."""
    with plain.open("rb") as content:
        lines = list(islice(iter(lambda: content.readline(MAX_LINE_BYTES), b""), FIRST_LINES))
    ends = accumulate(map(len, lines))
    return [sha256(line).hexdigest()[:16] for line, at in zip(lines, ends, strict=True)
            if at <= end and _OF_A_REQUEST in line]  # fmt: skip


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


def pieces(path: Path, start: int, end: int) -> Iterator[bytes]:
    """The bytes [start, end) of a file, as far as they are there."""
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        while start < end and (chunk := file.read(min(READ_BYTES, end - start))):
            yield chunk
            start += len(chunk)
