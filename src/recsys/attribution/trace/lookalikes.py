"""Ids in JSONL files that resemble one: a quick look, which may miss some, and takes no longer than a search."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from recsys.attribution.trace import heads, scan
from recsys.attribution.trace.near import Sought
from recsys.attribution.trace.spelling import Needles, lines_with
from recsys.eventlog.workers import spread

MOST_LINES = 20_000
"""So many lines of a range are looked at; where more hold half of the id, the half tells nothing."""


class _Piece(Struct, frozen=True):
    """A piece of a file, see ``scan.Range``."""

    path: str
    start: int
    end: int
    size: int
    sought: Sought


def search(files: Sequence[tuple[Path, int]], sought: Sought) -> set[str]:
    """The ids, of the files with the bytes of them that count, that are spelt as sought, or share half of it."""
    pieces = [
        _Piece(str(path), at, min(at + scan.RANGE_BYTES, size), size, sought)
        for path, size in files
        for at in range(0, size, scan.RANGE_BYTES)
    ]
    workers = 1 if sum(size for _, size in files) <= scan.ALONE_BYTES else os.cpu_count() or 1
    return {request for _, found in spread(_search_piece, pieces, workers) for request in found}


def _search_piece(piece: _Piece) -> set[str]:
    sought = piece.sought
    needles = Needles((*(text.encode() for text in sought.exact), sought.head.encode(), sought.tail.encode()))
    found: set[str] = set()
    looked_at = 0
    with Path(piece.path).open("rb", buffering=0) as file:
        for _, block in scan.blocks(piece.start, piece.end, piece.size, file):
            for start, end in lines_with(block, needles):
                request = heads.request_of(block[start:end])
                if request is not None and resembles(request, sought):
                    found.add(request)
                looked_at += 1
                if looked_at == MOST_LINES:
                    return found
    return found


def resembles(request: str, sought: Sought) -> bool:
    """Whether an id is spelt as sought, or begins or ends like it."""
    return request in sought.exact or request.startswith(sought.head) or request.endswith(sought.tail)
