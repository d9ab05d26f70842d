"""Zstandard files, read to their end: the library's own reader takes a frame that is cut off for its end."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO

import zstandard

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

COMPRESSED_BYTES = 1 << 14  # of text that compresses 50 to 1, this becomes a megabyte


class ZstdFrames(io.RawIOBase):
    """The content of all frames of a file, which stays open. EOFError where the last one is cut off, ZstdError where
    one is damaged."""

    def __init__(self, source: BinaryIO) -> None:
        super().__init__()
        self._source = source
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._begun = False
        self._rest = b""
        self._content = memoryview(b"")

    def readable(self) -> bool:
        """It can be read."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Some of the content; 0 bytes at its end."""
        into = memoryview(buffer).cast("B")
        if not self._content:
            self._content = memoryview(self._more())
        size = min(len(into), len(self._content))
        into[:size], self._content = self._content[:size], self._content[size:]
        return size

    def _more(self) -> bytes:
        while data := self._rest or self._source.read(COMPRESSED_BYTES):
            self._begun = True
            content = self._frame.decompress(data)
            self._rest = self._frame.unused_data if self._frame.eof else b""
            if self._frame.eof:
                self._frame, self._begun = zstandard.ZstdDecompressor().decompressobj(), False
            if content:
                return content
        if self._begun:
            raise EOFError("the file ends before its last frame does")
        return b""
