"""A search through JSONL files, in byte ranges over all cores, in memory that does not grow with them."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct, field

from recsys.attribution.trace import heads
from recsys.attribution.trace.rows import MOST_ROWS, Ask, Role, too_many
from recsys.attribution.trace.spelling import Needles, lines_with, needles
from recsys.contracts.types import MAX_LINE_BYTES
from recsys.eventlog.validation import Progress
from recsys.eventlog.workers import spread

BLOCK_BYTES = 1 << 20
RANGE_BYTES = 64 << 20
ALONE_BYTES = 1 << 30
"""Fewer bytes than this are searched about as soon as other processes have started and shared the work."""


class Range(Struct, frozen=True):
    """A piece of a file to search: it owns the lines that begin in [start, end). ``size``: the bytes of the file that
    count; it may have grown since."""

    path: str
    role: Role
    start: int
    end: int
    size: int
    ask: Ask
    sought: Needles


class Hit(Struct, frozen=True, order=True):
    """A line that is asked for: where it begins in the file, and the line without its newline, cut off where it is
    longer than a line may be."""

    offset: int
    line: bytes


class Hits(Struct):
    """What was found: ``valid`` lines, ``refused`` ones in which a request stands, and how many more there were of
    each."""

    valid: list[Hit] = field(default_factory=list)
    refused: list[Hit] = field(default_factory=list)
    more: int = 0
    more_refused: int = 0


def search(files: Sequence[tuple[Path, int]], role: Role, ask: Ask, on_progress: Progress | None = None) -> list[Hits]:
    """Of each file (with the bytes of it that count) the lines that are asked for, in order."""
    sought = needles(ask.texts)
    pieces = [
        (number, Range(str(path), role, at, min(at + RANGE_BYTES, size), size, ask, sought))
        for number, (path, size) in enumerate(files)
        for at in range(0, size, RANGE_BYTES)
    ]
    total = sum(size for _, size in files)
    workers = 1 if total <= ALONE_BYTES else os.cpu_count() or 1
    found = [Hits() for _ in files]
    done = 0
    for (number, piece), hits in spread(_search_piece, pieces, workers):
        _add(found[number], hits)
        done += piece.end - piece.start
        if on_progress is not None:
            on_progress(done, total)
    if ask.most is None and sum(len(hits.valid) + len(hits.refused) for hits in found) > MOST_ROWS:
        raise too_many(role)
    return [Hits(sorted(hits.valid), sorted(hits.refused), hits.more, hits.more_refused) for hits in found]


def _add(to: Hits, hits: Hits) -> None:
    to.valid += hits.valid
    to.refused += hits.refused
    to.more += hits.more
    to.more_refused += hits.more_refused


def _search_piece(numbered: tuple[int, Range]) -> Hits:
    piece = numbered[1]
    with Path(piece.path).open("rb", buffering=0) as file:
        return _search_range(piece, file)


def _search_range(piece: Range, file: BinaryIO) -> Hits:
    hits = Hits()
    kept = _Nearest(piece.ask, hits)
    for offset, block in blocks(piece.start, piece.end, piece.size, file):
        for start, end in lines_with(block, piece.sought):
            _judge(Hit(offset + start, block[start:end]), piece, kept, hits)
    hits.valid = kept.hits()
    return hits


def _judge(hit: Hit, piece: Range, kept: _Nearest, hits: Hits) -> None:
    asked = heads.asked_for(hit.line, piece.role, piece.ask)
    if asked and heads.is_valid(hit.line, piece.role):
        kept.add(hit, piece.role)
        return
    if not piece.ask.refused:
        hits.more_refused += bool(asked)
        return
    if heads.names_request(hit.line, piece.ask) and not heads.is_valid(hit.line, piece.role):
        hits.refused.append(hit)
        if len(hits.refused) > MOST_ROWS:
            raise too_many(piece.role)
    else:
        hits.more_refused += bool(asked)


class _Nearest:
    """The lines nearest in time to what is asked about, no more than are asked for; the others are counted."""

    def __init__(self, ask: Ask, hits: Hits) -> None:
        self._ask = ask
        self._hits = hits
        self._heap: list[tuple[int, int, Hit]] = []

    def add(self, hit: Hit, role: Role) -> None:
        """Keep the line, or count it, or one that is farther away."""
        if self._ask.most is None:
            self._heap.append((0, 0, hit))
            if len(self._heap) > MOST_ROWS:
                raise too_many(role)
            return
        away = abs(heads.row(hit.line, role, "", 0).ts_us - self._ask.around)
        entry = (-away, -hit.offset, hit)
        if len(self._heap) < self._ask.most:
            heapq.heappush(self._heap, entry)
            return
        self._hits.more += 1
        if self._ask.most:
            heapq.heappushpop(self._heap, entry)

    def hits(self) -> list[Hit]:
        """The lines that were kept."""
        return [hit for _, _, hit in self._heap]


def blocks(first: int, last: int, size: int, file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The lines that begin in the range [first, last), in blocks of whole lines, with the offset of each block. Of a
    line that is too long to hold only its beginning is given. What stands beyond ``size`` does not count."""
    offset = _first_line(first, size, file)
    file.seek(offset)
    rest = b""
    while offset < last:
        chunk = file.read(max(min(BLOCK_BYTES, size - offset - len(rest)), 0))
        data = rest + chunk
        end = _last_line_end(data, last - offset) if chunk else len(data)
        if end:
            yield offset, data[:end]
        elif len(data) > MAX_LINE_BYTES:
            yield offset, data
            end = len(data) + _skip_line(file, offset + len(data), size)
            file.seek(offset + end)
        offset, rest = offset + end, data[end:]
        if not chunk:
            return


def _last_line_end(data: bytes, limit: int) -> int:
    """Where the last whole line of ``data`` that begins before ``limit`` ends, its newline included; 0 for none."""
    if len(data) > limit:
        newline = data.find(b"\n", max(limit - 1, 0))
        if newline >= 0:
            return newline + 1
    return data.rfind(b"\n") + 1


def _first_line(first: int, size: int, file: BinaryIO) -> int:
    """The offset of the first line that begins at or after ``first``."""
    return first - 1 + _skip_line(file, first - 1, size) if first else 0


def _skip_line(file: BinaryIO, at: int, size: int) -> int:
    """How many bytes there are up to the next newline, which is included, or to the end."""
    skipped = 0
    file.seek(at)
    while chunk := file.read(max(min(BLOCK_BYTES, size - at - skipped), 0)):
        newline = chunk.find(b"\n")
        if newline >= 0:
            return skipped + newline + 1
        skipped += len(chunk)
    return skipped
