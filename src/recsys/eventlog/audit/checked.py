"""Comparing one file of a log with its index: lines that are missing, there twice, out of place, or not as written.

As long as both agree, a log is read once, piece by piece, and nothing is kept. Where they stop agreeing, the rest is
compared line by line (see ``compare``), so that one line that is gone is one fault, though all that follow have moved.
A log may be written to meanwhile: what its writers have not indexed yet is a note, and no fault.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Literal

from msgspec import UNSET, Struct, field

from recsys.eventlog.audit import compare
from recsys.eventlog.audit.compare import Compared, Hole, Rows
from recsys.eventlog.audit.layout import Layout, Run, Section
from recsys.eventlog.audit.stream import DAMAGED, Stream
from recsys.eventlog.writing.index import Damaged, Erased, Gap

Kind = Literal[
    "missing", "repeated", "moved", "changed", "unindexed", "torn", "unreadable",
    "no index", "index damaged", "sums", "no segment",
]  # fmt: skip

_WORDS: dict[Kind, str] = {
    "missing": "missing",
    "repeated": "there again",
    "moved": "out of place",
    "changed": "not as written",
    "unindexed": "in no index: put there by somebody else",
    "torn": "unfinished",
    "unreadable": "cannot be unpacked from here on",
    "no index": "the index is gone: nothing can be compared",
    "index damaged": "of the index are no records",
    "sums": "every line is as its index says, and the sums of the index say otherwise: the index was changed",
    "no segment": "gone",
}


class Fault(Struct, frozen=True, kw_only=True):
    """Something that is not as it was written.

    ``start`` to ``end``: bytes of the file as it is; of missing lines, bytes of the file as it was written. ``place``:
    of missing and moved lines, the byte of the file as it is where they belong. ``lines`` is 0 where nobody knows.
    """

    file: str
    kind: Kind
    start: int = 0
    end: int = 0
    lines: int = 0
    place: int | None = None

    def __str__(self) -> str:
        lines = f"{self.lines:,} line{'' if self.lines == 1 else 's'} " if self.lines else ""
        belong = "it belongs" if self.lines == 1 else "they belong"
        where = f"{self.file}: bytes {self.start:,} to {self.end:,}"
        match self.kind:
            case "no index" | "sums":
                return f"{self.file}: {_WORDS[self.kind]}"
            case "no segment":
                return f"{self.file}: gone{', with ' + lines.strip() if lines else ''}"
            case "missing":
                return f"{where} of the file as it was written: {lines}missing; {belong} at byte {self.place:,}"
            case "moved":
                return f"{where}: {lines}out of place; {belong} at byte {self.place:,}"
        return f"{where}: {lines}{_WORDS[self.kind]}"


class Checked(Struct, frozen=True, kw_only=True):
    """What one log file holds, and what is wrong with it. ``bytes`` are of its content, unpacked; ``notes`` tell what
    could not be compared, and is no fault: byte ranges that are ``unknown`` to all indexes."""

    file: str
    lines: int = 0
    bytes: int = 0
    first: datetime | None = None
    last: datetime | None = None
    sealed: bool = False
    writers: list[str] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    erased: int = 0
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unknown: list[tuple[int, int]] = field(default_factory=list)


BLOCK_BYTES = 64 << 20
"""Lines that were written at once are read at once, unless they are longer than this."""


def check(path: Path, stream: Stream, layout: Layout, *, seen: int) -> Checked:
    """Compare one file with its layout. ``seen``: how long it was before its indexes were read; what was written behind
    that may be indexed by now, or not."""
    comparison = _Comparison(path, stream, layout, seen)
    try:
        comparison.run()
    except DAMAGED:
        comparison.add(Fault(file=str(path), kind="unreadable", start=stream.at, end=stream.at))
    told = described(str(path), layout.sections)
    return Checked(
        file=told.file, lines=comparison.lines, bytes=comparison.bytes, first=told.first, last=told.last,
        sealed=told.sealed, writers=told.writers, gaps=told.gaps, erased=told.erased,
        faults=[*comparison.faults, *damage(layout.bad)], notes=comparison.notes, unknown=comparison.unknown,
    )  # fmt: skip


def described(file: str, sections: Sequence[Section]) -> Checked:
    """What sections tell of a file without its being read."""
    times = [time for section in sections for time in section.times]
    return Checked(
        file=file, first=min(times, default=None), last=max(times, default=None),
        sealed=any(section.seal is not None for section in sections),
        writers=sorted({section.header.writer for section in sections if section.header is not None}),
        gaps=[gap for section in sections for gap in section.of(Gap)],
        erased=sum(record.lines for section in sections for record in section.of(Erased)),
    )  # fmt: skip


def damage(bad: dict[Path, list[tuple[int, int]]]) -> list[Fault]:
    """Faults of the ranges of indexes that are no records."""
    return [
        Fault(file=str(path), kind="index damaged", start=start, end=end)
        for path, ranges in bad.items()
        for start, end in compare.joined_ranges(ranges)
    ]


class _Comparison:
    """A file read beside what is expected of it."""

    def __init__(self, path: Path, stream: Stream, layout: Layout, seen: int) -> None:
        self.faults: list[Fault] = []
        self.notes: list[str] = []
        self.lines = self.bytes = 0
        self._path = path
        self._stream = stream
        self._layout = layout
        self._seen = seen
        self._settled_to = 0 if layout.growing else seen
        self._same_to = 0
        """Up to here the file is as it was written."""
        self._pieces_same = 0
        self._unknown: list[tuple[int, int]] = []
        self._first = -1
        """Where the first line that an index knows was written."""

    def add(self, fault: Fault) -> None:
        """Put a fault behind the others."""
        self.faults.append(fault)

    @property
    def unknown(self) -> list[tuple[int, int]]:
        """Byte ranges that no index knows."""
        return list(compare.joined_ranges(self._unknown))

    def run(self) -> None:
        if self._agrees():
            self.lines, self.bytes = self._stream.lines, self._stream.at
        else:
            self._differ()
        self._note()

    def _agrees(self) -> bool:
        """Read the file as long as it is what was written; whether that was all of it."""
        for run in self._layout.runs():
            self._first = run.at if self._first < 0 else self._first
            if run.at < self._stream.at or not self._passed(run.at) or not self._holds(run):
                return False
            self._same_to = run.end
            self._pieces_same += len(run.pieces)
        return self._ends_well()

    def _passed(self, to: int) -> bool:
        """Read over bytes that no index knows."""
        start = self._stream.at
        if self._stream.skip(to - start) < to - start or not self._stream.ends_line:
            return False
        if to > start:
            self._unknown.append((start, to))
        return True

    def _holds(self, run: Run) -> bool:
        size = run.end - run.at
        if not run.unsummed:
            return self._stream.skip(size) == size and self._stream.crc == run.pieces[-1].crc
        lines = (line for piece in run.pieces for line in piece.lines)
        if size > BLOCK_BYTES:
            return all(zlib.crc32(self._stream.take(length)) == crc for length, crc in lines)
        block = memoryview(self._stream.take(size))
        at = 0
        for length, crc in lines:
            if zlib.crc32(block[at : at + length]) != crc:
                return False
            at += length
        return at == len(block)

    def _ends_well(self) -> bool:
        stream, layout = self._stream, self._layout
        if layout.end is not None:
            whole = layout.end >= stream.at and self._passed(layout.end) and stream.crc == layout.crc
            return whole and not stream.take(1) and (bool(self._unknown) or stream.lines == layout.lines)
        if not layout.growing and self._seen <= stream.at:
            return True
        start = stream.at
        while stream.take(1 << 20):
            pass
        if not layout.growing:
            return stream.at == start
        if stream.at > start:
            self._unknown.append((start, stream.at))
        return True

    def _differ(self) -> None:
        wrote, holes = self._wrote()
        there = self._there()
        found = compare.compare(
            wrote, there, holes, begin=self._same_to, settled_to=self._settled_to, written_before=self._written_before
        )
        self.faults += [
            Fault(file=str(self._path), kind=each.kind, start=each.start, end=each.end, lines=each.lines,
                  place=each.place)
            for each in found.differences
        ]  # fmt: skip
        known = [each for each in self._unknown if each[1] <= self._same_to]
        self._unknown = [*known, *found.unknown]
        if not self.faults:
            self._only_the_sum_differs(found)

    def _wrote(self) -> tuple[Rows, list[Hole]]:
        rows, holes = Rows(), []
        at = self._same_to
        for piece in islice(self._layout.pieces(), self._pieces_same, None):
            if piece.at > at:
                holes.append(Hole(before=len(rows.keys), start=at, size=piece.at - at))
            begin = piece.at
            for length, crc in piece.lines:
                rows.add(begin, length, crc)
                begin += length
            at = max(at, begin)
        if self._layout.end is not None and self._layout.end > at:
            holes.append(Hole(before=len(rows.keys), start=at, size=self._layout.end - at))
        return rows, holes

    def _there(self) -> Rows:
        rows = Rows()
        at = self._same_to
        line = b"\n"
        for line in self._stream.lines_from(at):
            rows.add(at, len(line), zlib.crc32(line))
            at += len(line)
        rows.torn = not line.endswith(b"\n")
        self.bytes = at
        before = sum(len(piece.lines) for piece in islice(self._layout.pieces(), self._pieces_same))
        self.lines = before + len(rows.keys) - rows.torn
        return rows

    def _written_before(self, keys: set[int]) -> set[int]:
        pieces = islice(self._layout.pieces(), self._pieces_same)
        return {key for piece in pieces for length, crc in piece.lines if (key := length << 32 | crc) in keys}

    def _only_the_sum_differs(self, found: Compared) -> None:
        """All lines are there: what differs are bytes that no index knows line by line, or the index itself."""
        if not any(piece.crc is not UNSET for piece in self._layout.pieces()) and self._layout.crc is None:
            return
        for start, end in compare.joined_ranges(found.unknown):
            self.add(Fault(file=str(self._path), kind="changed", start=start, end=end))
        if not self.faults:
            self.add(Fault(file=str(self._path), kind="sums"))

    def _note(self) -> None:
        damaged = {record.at for section in self._layout.sections for record in section.of(Damaged)}
        for start, end in self.unknown:
            if start in damaged:
                self.notes.append(f"bytes {start:,} to {end:,}: damaged before this, and known to be")
            elif start == 0 and self._first > 0 and self._layout.end is None:
                self.notes.append(f"bytes 0 to {end:,} are older than any index, and were not compared")
            else:
                self.notes.append(f"bytes {start:,} to {end:,} are in no index yet, and were not compared")
