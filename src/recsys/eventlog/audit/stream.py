"""The bytes of a log file in their order, plain or packed, counted and summed on the way."""

from __future__ import annotations

import contextlib
import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import zstandard

from recsys.eventlog.frames import ZstdFrames

READ_BYTES = 1 << 20
DAMAGED = (zstandard.ZstdError, gzip.BadGzipFile, zlib.error, EOFError)
"""What is raised where a packed file cannot be unpacked."""


class Stream:
    """A log file that is read once, and once more from where a difference was met. ``at``, ``lines`` and ``crc`` are of
    what was read; ``ends_line``: whether it ended with a newline."""

    def __init__(self, file: BinaryIO, suffix: str, on_bytes: Callable[[int], None]) -> None:
        self._file = file
        self._suffix = suffix
        self._on_bytes = on_bytes
        self._content = self._unpacked()
        self.at = self.lines = self.crc = 0
        self.ends_line = True

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes; fewer at the end of the file."""
        data = self._content.read(size)
        self.at += len(data)
        self.lines += data.count(b"\n")
        self.crc = zlib.crc32(data, self.crc)
        if data:
            self.ends_line = data.endswith(b"\n")
        self._on_bytes(self.at)
        return data

    def skip(self, size: int) -> int:
        """Read over ``size`` bytes; how many there were."""
        left = size
        while left > 0 and (data := self.take(min(left, READ_BYTES))):
            left -= len(data)
        return size - left

    def lines_from(self, at: int) -> Iterator[bytes]:
        """The lines from a byte on, where one begins; the last one may have no newline."""
        self._content = self._unpacked()
        self.at = self.lines = self.crc = 0
        if self._suffix in (".zst", ".gz"):
            self.skip(at)
        else:
            self._content.seek(at)
        while line := self._content.readline():
            yield line

    def _unpacked(self) -> BinaryIO:
        self._file.seek(0)
        if self._suffix == ".zst":
            return io.BufferedReader(ZstdFrames(self._file), READ_BYTES)
        return gzip.GzipFile(fileobj=self._file) if self._suffix == ".gz" else self._file  # type: ignore[return-value]


@contextmanager
def opened(path: Path, on_bytes: Callable[[int], None] = lambda _: None) -> Iterator[tuple[Stream, BinaryIO]]:
    """A file as a stream, and as it is. OSError where it cannot be opened."""
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(path.open("rb", buffering=READ_BYTES))
        yield Stream(file, path.suffix, on_bytes), file
