"""Finding log files, and giving plain files to those who read them."""

from __future__ import annotations

import glob
import gzip
import sys
import zlib
from pathlib import Path
from typing import BinaryIO, Protocol

import zstandard

from recsys.errors import InputError

SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst")
STDIN = "-"
CHUNK_BYTES = 1 << 20
COMPRESSED_BYTES = 1 << 14  # of text that compresses 50 to 1, this becomes a megabyte


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def expand(spec: str) -> list[Path]:
    """The files behind a path, a glob pattern, or a folder (its JSONL files), in order of name.

    ``-`` stands for standard input and stays as it is. InputError where nothing is there.
    """
    if spec == STDIN:
        return [Path(STDIN)]
    try:
        return _expand(spec)
    except OSError as error:
        raise InputError("cannot be read", where=spec, found=error.strerror or str(error)) from None


def _expand(spec: str) -> list[Path]:
    path = Path(spec)
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if file.name.endswith(SUFFIXES) and file.is_file())
        if not found:
            raise InputError("the folder holds no log", where=spec, expected=f"files ending in {', '.join(SUFFIXES)}")
        return found
    if path.exists():
        return [path]
    found = sorted(Path(name) for name in glob.glob(spec, recursive=True) if Path(name).is_file())  # noqa: PTH207 - absolute patterns too
    if not found:
        raise InputError(
            "no such file", where=spec, hint="Give a file, a folder of .jsonl files, a glob, or - for stdin."
        )
    return found


def localize(path: Path, scratch: Path) -> Path:
    """A plain, seekable file with the content of ``path``: itself, or a copy in ``scratch`` of stdin, a pipe, gz, zst.

    InputError where a compressed file is truncated or is none.
    """
    target = scratch / f"{len(list(scratch.iterdir()))}-{path.stem}"
    try:
        if str(path) == STDIN:
            return _copy_of_stdin(scratch)
        with path.open("rb") as source:
            if path.suffix == ".gz":
                _unpack(path, gzip.GzipFile(fileobj=source), target)
            elif path.suffix == ".zst":
                _unpack(path, _ZstdFrames(source), target)
            elif not path.is_file():  # a named pipe, or what the shell makes of <(command)
                _copy(source, target)
            else:
                return path
    except OSError as error:
        raise InputError("cannot be read", where=str(path), found=error.strerror or str(error)) from None
    return target


def _copy_of_stdin(scratch: Path) -> Path:
    target = scratch / "stdin.jsonl"
    if target.exists():
        raise InputError("standard input can be read once", where=STDIN, hint="Give one of the logs as a file.")
    _copy(sys.stdin.buffer, target)
    return target


def _copy(source: _Readable, target: Path) -> None:
    with target.open("wb") as out:
        while chunk := source.read(CHUNK_BYTES):
            out.write(chunk)


def _unpack(path: Path, source: _Readable, target: Path) -> None:
    try:
        _copy(source, target)
    except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as error:
        whole = f"{target.stat().st_size:,} bytes could be read"
        hint = "The file is cut off or damaged: copy it again, or decompress what is whole with gzip or zstd first."
        raise InputError(f"cannot be decompressed: {error}", where=str(path), found=whole, hint=hint) from None


class _ZstdFrames:
    """The content of all frames of a zstd file. The library's own reader takes a frame that is cut off for its end."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._begun = False
        self._rest = b""

    def read(self, _size: int) -> bytes:
        """Some of the content, b"" at its end; EOFError where the last frame is cut off."""
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
