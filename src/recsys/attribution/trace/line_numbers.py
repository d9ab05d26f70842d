"""Which line of a file begins at an offset: its newlines are counted, over all cores, up to the last one asked for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from recsys.attribution.trace.scan import ALONE_BYTES, BLOCK_BYTES, RANGE_BYTES
from recsys.eventlog.workers import spread


class _Piece(Struct, frozen=True):
    """A piece of a file whose newlines are to be counted, at each of these offsets and in all."""

    path: str
    start: int
    end: int
    offsets: list[int]


def of_offsets(path: Path, offsets: Sequence[int]) -> dict[int, int]:
    """Each of the offsets, at which a line begins, with the 1-based number of its line."""
    if not offsets:
        return {}
    ordered, last = sorted(set(offsets)), max(offsets)
    pieces = [
        _Piece(str(path), at, min(at + RANGE_BYTES, last), [o for o in ordered if at <= o < at + RANGE_BYTES])
        for at in range(0, last + 1, RANGE_BYTES)
    ]
    workers = 1 if last <= ALONE_BYTES else os.cpu_count() or 1
    counted = {piece.start: found for piece, found in spread(_count, pieces, workers)}
    numbers: dict[int, int] = {}
    before = 0
    for piece in pieces:
        *at, total = counted[piece.start]
        numbers.update({offset: before + count + 1 for offset, count in zip(piece.offsets, at, strict=True)})
        before += total
    return numbers


def _count(piece: _Piece) -> list[int]:
    counts, count, at = [], 0, piece.start
    with Path(piece.path).open("rb", buffering=0) as file:
        file.seek(at)
        for stop in [*piece.offsets, piece.end]:
            while at < stop and (chunk := file.read(min(BLOCK_BYTES, stop - at))):
                count += chunk.count(b"\n")
                at += len(chunk)
            counts.append(count)
    return counts
