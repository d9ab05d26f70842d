"""Compressing closed segments: ``X.jsonl`` becomes ``X.jsonl.zst``.

The packed file is written under another name, flushed, read back and compared with the seal, and only then takes its
name; the plain one goes last. Whatever ends this in the middle, one of both is whole, and another pass completes it:
readers that find both take the plain one.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import zstandard

from recsys.errors import StorageError
from recsys.eventlog.upkeep.retention import closed
from recsys.eventlog.writing import index as indexes
from recsys.eventlog.writing import places
from recsys.eventlog.writing.index import Seal
from recsys.eventlog.writing.segment import PACKED, index_of, parse, segments

PART = ".part"
LEVEL = 3
BLOCK_BYTES = 1 << 20
PACKED_BLOCK_BYTES = 1 << 14
"""Of text that packs 50 to 1, this becomes a megabyte."""

_NEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC


def pack_closed(
    folder: Path, log: str, *, files: Any = os, begun_only: bool = False, going: Callable[[], None] = lambda: None
) -> Iterator[str]:
    """Pack every sealed segment of a log, and tell what could not be packed; that is tried again the next time.

    ``begun_only``: only complete what was begun before. ``going`` is called between blocks, and may raise to end it.
    """
    for path in segments(folder, log):
        if path.suffix == PACKED or (begun_only and not _packed(path).exists()):
            continue
        try:
            pack(path, files=files, going=going)
        except StorageError as error:
            yield str(error)
        except OSError as error:
            yield f"{path}: cannot be packed (found {error.strerror or error}). It stays as it is."
    _clear(folder, log, files)


def pack(path: Path, *, files: Any = os, going: Callable[[], None] = lambda: None) -> Path | None:
    """Pack one segment; returns the packed file, None where it is not sealed or a writer holds it.

    StorageError where the segment is not what its seal says, or the disk did not keep what was written to it; OSError
    where it cannot be written. The plain segment is there then.
    """
    seal = indexes.read_ends(index_of(path)).sealed
    if seal is None:
        return None
    with closed(path) as is_closed:
        if not is_closed:
            return None
        target = _packed(path)
        if not target.exists() or not _holds(target, seal, going):
            _make(path, target, seal, files, going)
        files.unlink(path)
    return target


def _packed(path: Path) -> Path:
    return path.with_name(path.name + PACKED)


def _make(path: Path, target: Path, seal: Seal, files: Any, going: Callable[[], None]) -> None:
    part = target.with_name(target.name + PART)
    fd = files.open(part, _NEW, places.MODE)
    try:
        size, crc = _compress(path, fd, files, going)
        files.fsync(fd)
    finally:
        files.close(fd)
    if (size, crc) != (seal.bytes, seal.crc):
        with contextlib.suppress(OSError):
            files.unlink(part)
        hint = "It stays as it is. `recsys-service log verify` tells what differs."
        raise StorageError(
            "not packed: the segment is not what was sealed", where=str(path), hint=hint,
            found=f"{size:,} bytes, CRC-32 {crc:08x}", expected=f"{seal.bytes:,} bytes, CRC-32 {seal.crc:08x}",
        )  # fmt: skip
    if not _holds(part, seal, going):
        hint = "The segment stays as it is. Check the disk."
        raise StorageError("not packed: what was written reads back differently", where=str(part), hint=hint)
    files.rename(part, target)
    places.sync_folder(files, path.parent)


def _compress(path: Path, fd: int, files: Any, going: Callable[[], None]) -> tuple[int, int]:
    """Write the packed content of a file; returns the bytes and the CRC-32 of what was packed."""
    packer = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compressobj(size=path.stat().st_size)
    size = crc = 0
    for block in pieces_of(path):
        going()
        size, crc = size + len(block), zlib.crc32(block, crc)
        _write(files, fd, packer.compress(block))
    _write(files, fd, packer.flush())
    return size, crc


def _write(files: Any, fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[files.write(fd, rest) :]


def _holds(packed: Path, seal: Seal, going: Callable[[], None]) -> bool:
    """Whether a packed file unpacks to what was sealed."""
    size = crc = 0
    try:
        for block in unpacked(pieces_of(packed)):
            going()
            size, crc = size + len(block), zlib.crc32(block, crc)
    except zstandard.ZstdError:
        return False
    return (size, crc) == (seal.bytes, seal.crc)


def unpacked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The content of packed pieces, a block at a time; zstandard.ZstdError where they are damaged."""
    unpacker = zstandard.ZstdDecompressor().decompressobj(read_across_frames=True)
    for piece in pieces:
        for start in range(0, len(piece), PACKED_BLOCK_BYTES):
            yield unpacker.decompress(piece[start : start + PACKED_BLOCK_BYTES])


def pieces_of(path: Path) -> Iterator[bytes]:
    """A file, a block at a time."""
    with path.open("rb", buffering=0) as file:
        while block := file.read(BLOCK_BYTES):
            yield block


def _clear(folder: Path, log: str, files: Any) -> None:
    """Remove what an interrupted packing left of segments that are gone since."""
    for part in folder.glob(f"{log}-*{PACKED}{PART}"):
        name = parse(part.name.removesuffix(PART))
        plain = part.with_name(part.name.removesuffix(PART).removesuffix(PACKED))
        if name is not None and name.log == log and not plain.exists():
            with contextlib.suppress(OSError):
                files.unlink(part)
