"""A log file without some of its lines, and the indexes that tell of it: both are replaced together."""

from __future__ import annotations

import os
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import zstandard

from recsys.eventlog.audit.layout import Section
from recsys.eventlog.audit.stream import READ_BYTES, Stream, opened
from recsys.eventlog.erasure.erased_files import LogFile
from recsys.eventlog.erasure.erased_index import Cut, Edit, Taken, edited
from recsys.eventlog.upkeep import pack
from recsys.eventlog.writing import places, swap
from recsys.eventlog.writing.segment import PACKED, plain


def rewrite(
    file: LogFile,
    taken: Sequence[Taken],
    *,
    size: int,
    crc: int,
    now: datetime,
    forgotten: Collection[str],
    files: Any,
) -> bool:
    """Replace a file by what is left without the lines ``taken``, and edit its indexes; False where it is written to.

    ``size`` and ``crc``: of its content, as it was when the lines were found. OSError where it cannot be written.
    """
    with ExitStack() as held:
        if not _is_held(file.path, held) or (not _is_packed(file.path) and file.path.stat().st_size != size):
            return False
        if file.is_segment:
            _remove_copies(file.path, files)
        seal = next((section.seal for section in file.sections if section.seal is not None), None)
        is_whole = seal is not None and (seal.bytes, seal.crc) == (size, crc)
        left = size - sum(line.length for line in taken)

        def indexes(made: Path) -> Iterator[tuple[Path, Iterable[bytes]]]:
            stat = made.stat()
            with made.open("rb") as content:
                edit = Edit(
                    cut=Cut(taken, file.sections), now=now, forgotten=forgotten,
                    crc_to=_Sums(Stream(content, file.path.suffix, lambda _: None)).to if is_whole else None,
                    number=(stat.st_ino, stat.st_dev) if file.inode else None,
                )  # fmt: skip
                for index, sections in _by_index(file.sections).items():
                    yield index, edited(index, sections, edit)

        swap.replace(file.path, _packed(_kept(file.path, taken), file.path.suffix, left), indexes, files)
    return True


def _by_index(sections: Sequence[Section]) -> dict[Path, list[Section]]:
    found: dict[Path, list[Section]] = {}
    for section in sorted(sections, key=lambda section: section.start):
        found.setdefault(section.index, []).append(section)
    return found


def _is_packed(path: Path) -> bool:
    return path.suffix in {PACKED, ".gz"}


def _is_held(path: Path, held: ExitStack) -> bool:
    """Whether nobody writes to the file; it is locked then."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    held.callback(os.close, fd)
    return places.try_lock(fd)


def _remove_copies(path: Path, files: Any) -> None:
    """What an interrupted packing left beside a segment holds the same lines, and can be made again."""
    packed = path.with_name(plain(path).name + PACKED)
    for each in (packed, packed.with_name(packed.name + pack.PART)):
        if each != path and each.exists():
            files.unlink(each)


def _kept(path: Path, taken: Sequence[Taken]) -> Iterator[bytes]:
    """The content of a file, unpacked, without some lines, piece by piece."""
    with opened(path) as (stream, _):
        for line in taken:
            while stream.at < line.at and (data := stream.take(min(READ_BYTES, line.at - stream.at))):
                yield data
            stream.skip(line.length)
        while data := stream.take(READ_BYTES):
            yield data


def _packed(pieces: Iterable[bytes], suffix: str, size: int) -> Iterator[bytes]:
    if suffix == PACKED:
        packer: Any = zstandard.ZstdCompressor(level=pack.LEVEL, write_checksum=True).compressobj(size=size)
    elif suffix == ".gz":
        packer = zlib.compressobj(wbits=31)
    else:
        yield from pieces
        return
    for piece in pieces:
        yield packer.compress(piece)
    yield packer.flush()


class _Sums:
    """The CRC-32 of a new file up to one byte after the other."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def to(self, end: int) -> int:
        """Up to ``end``, which is not before the one that was asked for last."""
        self._stream.skip(end - self._stream.at)
        return self._stream.crc
