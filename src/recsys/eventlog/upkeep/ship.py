"""Moving closed segments to an object store: ``<url>/<log>/<day>/<file name>``, with their indexes and torn tails.

A segment goes first and its index last, and a local file is removed once all copies were read back and are the same,
again the index last. So whatever ends this in the middle, another pass goes on from what it finds: an object that holds
the same is taken as it is, and one that holds anything else is told, and never overwritten.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import zstandard

from recsys.errors import RecsysError, StorageError
from recsys.eventlog.upkeep.pack import pieces_of, unpacked
from recsys.eventlog.upkeep.retention import closed
from recsys.eventlog.writing import index as indexes
from recsys.eventlog.writing import places
from recsys.eventlog.writing.segment import INDEX, PACKED, index_of, parse, plain, segments, torn_of
from recsys.objectstore import Store


def ship_closed(folder: Path, log: str, store: Store, *, files: Any = os) -> Iterator[str]:
    """Move every sealed segment of a log, and tell what could not be moved: it stays, and is tried again the next time.

    Where the store does not answer, the rest is left for the next time at once.
    """
    for path in [*segments(folder, log), *_left_indexes(folder, log)]:
        try:
            ship(path, log, store, files=files)
        except StorageError as error:
            yield f"{path} is not archived: {error}"
            if not isinstance(error, DifferentError):
                return
        except (RecsysError, OSError) as error:
            yield f"{path} is not archived: {error}"


class DifferentError(StorageError):
    """The archive holds something else under a name than the file here."""


def ship(path: Path, log: str, store: Store, *, files: Any = os) -> bool:
    """Move one segment with what stands beside it; False where it is not closed. StorageError where a copy cannot be
    made, or is not what was sent: then all local files are there."""
    name = parse(path.name)
    assert name is not None, "the name of a segment"  # noqa: S101 - of `segments`
    if indexes.read_ends(index_of(path)).sealed is None:
        return False
    with closed(plain(path)) as is_closed:
        if not is_closed:
            return False
        if path.suffix == ".jsonl" and path.with_name(path.name + PACKED).exists():
            return False  # its packing is not complete
        place = f"{log}/{name.day.isoformat()}"
        there = [each for each in (path, torn_of(path), index_of(path)) if each.exists()]
        if path not in there and not _is_archived(path, place, store):
            return False
        for each in there:
            _copy(each, place, store)
        _remove(there, files)
    return True


def _remove(there: list[Path], files: Any) -> None:
    """The index goes when the others are gone for good: without it a segment that came back would be another one."""
    *others, index = there
    for each in others:
        files.unlink(each)
    places.sync_folder(files, index.parent)
    files.unlink(index)


def _left_indexes(folder: Path, log: str) -> Iterator[Path]:
    """The segments that are gone, and whose indexes stand: moving them ended before its end."""
    for index in sorted(folder.glob(f"{log}-*{INDEX}")):
        name = parse(index.name)
        path = index.with_name(index.name.removesuffix(INDEX))
        if name is not None and name.log == log and not path.exists() and not _packed(path).exists():
            yield path


def _packed(path: Path) -> Path:
    return path.with_name(plain(path).name + PACKED)


def _is_archived(path: Path, place: str, store: Store) -> bool:
    """Whether the archive holds a segment that is gone here. DifferentError where it is not what its index says."""
    seal = indexes.read_ends(index_of(path)).sealed
    for name in (plain(path).name, _packed(path).name):
        key = f"{place}/{name}"
        if seal is not None and store.head(key) is not None:
            size = crc = 0
            for block in _content(store.read(key), name, store.url_of(key)):
                size, crc = size + len(block), zlib.crc32(block, crc)
            if (size, crc) != (seal.bytes, seal.crc):
                raise _different(store.url_of(key))
            return True
    return False


def _copy(path: Path, place: str, store: Store) -> None:
    """Have the archive hold what the file holds: copied now, or before, perhaps when it was not packed yet."""
    key = f"{place}/{path.name}"
    if store.head(key) is None:
        other = plain(path).name if path.suffix == PACKED else _packed(path).name
        if path.suffix in {".jsonl", PACKED} and store.head(f"{place}/{other}") is not None:
            key = f"{place}/{other}"
            here, there = _content(pieces_of(path), path.name, str(path)), store.read(key)
            if _sha256(here) != _sha256(_content(there, other, store.url_of(key))):
                raise _different(store.url_of(key))
            return
        store.put(key, path)
    if _sha256(store.read(key)) != _sha256(pieces_of(path)):
        raise _different(store.url_of(key))


def _content(pieces: Iterable[bytes], name: str, where: str) -> Iterator[bytes]:
    """The lines that pieces hold, whether packed or not."""
    try:
        yield from unpacked(pieces) if name.endswith(PACKED) else pieces
    except zstandard.ZstdError:
        raise _different(where) from None


def _sha256(pieces: Iterable[bytes]) -> bytes:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.digest()


def _different(where: str) -> DifferentError:
    hint = "Nothing is overwritten and nothing removed here: compare both, and move the object away."
    return DifferentError("the archive holds something else under this name", where=where, hint=hint)
