"""What the indexes say a log file holds, read as a stream: an index is never in memory as a whole.

An index is read twice. ``scan`` finds where the records of each file stand and keeps all that are not of lines;
``Layout.pieces`` then gives the records of lines in the order of the file, of all its writers.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, Struct, field
from msgspec.structs import replace

from recsys.eventlog.writing.index import End, Gap, Header, Lines, Opened, Record, Seal, opened

RUN_BYTES = 1 << 20
_LINES = b'{"record":"lines"'
_END_OF_LINES = b"]]}\n"
_decode = msgspec.json.Decoder(Record).decode


class Section(Struct, kw_only=True):
    """The part of an index that tells of one file: bytes ``start`` to ``end`` of it. ``others``: the records that are
    not of lines, each with its place in the index. The first and the last of lines stay as they are until asked for."""

    index: Path
    header: Header | None
    start: int = 0
    end: int = 0
    opened: Opened | None = None
    others: list[tuple[int, Record]] = field(default_factory=list)
    first_line: bytes = b""
    last_line: bytes = b""

    def of(self, kind: type[Any]) -> list[Any]:
        """The records of one kind, in their order; not for lines."""
        return [record for _, record in self.others if type(record) is kind]

    @property
    def seal(self) -> Seal | None:
        """The seal, where there is one."""
        return next(reversed(self.of(Seal)), None)

    @property
    def times(self) -> list[datetime]:
        """When its first and its last lines were written; empty without lines."""
        ends = (decoded(self.first_line), decoded(self.last_line))
        return [lines.ts for lines in ends if isinstance(lines, Lines)]

    @property
    def lines(self) -> int:
        """The lines that were written, by its last record of them."""
        if self.seal is not None:
            return self.seal.lines
        last = decoded(self.last_line)
        return last.before + len(last.lines) if isinstance(last, Lines) else 0


class Scan(Struct, kw_only=True):
    """An index: its sections, which are one for a folder's segment, and the byte ranges of it that are no records.

    ``torn``: bytes at its end that are none. A crash leaves those, so they are not ``bad`` unless it is sealed.
    """

    path: Path
    size: int = 0
    header: Header | None = None
    sections: list[Section] = field(default_factory=list)
    bad: list[tuple[int, int]] = field(default_factory=list)
    torn: int = 0

    @property
    def pending(self) -> list[Gap]:
        """The gap that is not over yet, or that its writer did not live to record."""
        gap = UNSET if self.header is None else self.header.pending
        return [] if gap is UNSET else [gap]


def scan(path: Path) -> Scan:
    """Read an index, once; an empty scan where there is no such file. OSError where it cannot be read."""
    made = Scan(path=path)
    doubtful: list[tuple[int, int]] = []
    try:
        with opened(path) as file:
            for line in file:
                start, made.size = made.size, made.size + len(line)
                if _taken(made, start, line):
                    made.bad += doubtful
                    doubtful = []
                    made.sections[-1].end = made.size
                else:
                    doubtful.append((start, made.size))
    except (FileNotFoundError, IsADirectoryError):
        return made
    if any(section.seal for section in made.sections):
        made.bad += doubtful
    else:
        made.torn = sum(end - start for start, end in doubtful)
    return made


def _taken(made: Scan, start: int, line: bytes) -> bool:
    """Put a line where it belongs; False where it is no record."""
    if not made.sections:
        made.sections.append(Section(index=made.path, header=None))
    section = made.sections[-1]
    if line.startswith(_LINES) and line.endswith(_END_OF_LINES):
        section.first_line = section.first_line or line
        section.last_line = line
        return True
    record = decoded(line)
    if isinstance(record, Header):
        made.header = section.header = made.header or record
    elif isinstance(record, Opened):
        if not section.first_line and section.opened is None:
            made.sections.pop()
        made.sections.append(Section(index=made.path, header=made.header, start=start, opened=record))
    elif record is not None:
        section.others.append((start, record))
    return record is not None


def decoded(line: bytes) -> Record | None:
    """The record of a line; None where it is none."""
    try:
        return _decode(line) if line.endswith(b"\n") else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


class Run(Struct):
    """Records of lines that follow on each other, bytes ``at`` to ``end``. ``unsummed``: without CRC-32 of the file."""

    at: int
    end: int
    unsummed: bool
    pieces: list[Lines]


class Layout:
    """The lines of one file in its order, as all sections that tell of it say.

    ``end``, ``lines`` and ``crc``: what its seal says; None without one. ``growing``: lines may follow that no index
    knows yet, for a writer is at it, or ended before it could index them.
    """

    def __init__(self, sections: Sequence[Section], *, growing: bool) -> None:
        self.sections = list(sections)
        seal = next((section.seal for section in sections if section.seal is not None), None)
        self.end = None if seal is None else seal.bytes
        self.lines = None if seal is None else seal.lines
        self.crc = None if seal is None else seal.crc
        self.growing = growing and seal is None
        self.bad: dict[Path, list[tuple[int, int]]] = {}

    def pieces(self) -> Iterator[Lines]:
        """The records of lines, by where they begin in the file. What is damaged goes to ``bad``."""
        streams = [self._of(section) for section in self.sections]
        return streams[0] if len(streams) == 1 else heapq.merge(*streams, key=lambda lines: lines.at)

    def runs(self) -> Iterator[Run]:
        """The same, about a megabyte of lines at a time as far as they follow on each other."""
        run: Run | None = None
        for piece in self.pieces():
            size = sum(length for length, _ in piece.lines) if len(piece.lines) > 1 else piece.lines[0][0]
            if run is not None and piece.at == run.end < run.at + RUN_BYTES and (piece.crc is UNSET) == run.unsummed:
                run.pieces.append(piece)
                run.end += size
                continue
            if run is not None:
                yield run
            run = Run(at=piece.at, end=piece.at + size, unsummed=piece.crc is UNSET, pieces=[piece])
        if run is not None:
            yield run

    def _of(self, section: Section) -> Iterator[Lines]:
        ends = [(place, record.at) for place, record in section.others if isinstance(record, End)]
        bad = self.bad[section.index] = []
        with opened(section.index) as file:
            at = file.seek(section.start)
            while at < section.end and (line := file.readline()):
                start, at = at, at + len(line)
                if not line.startswith(_LINES):
                    continue
                record = decoded(line)
                if not isinstance(record, Lines):
                    bad.append((start, at))
                    continue
                if ends:
                    record = _before(record, min((end for place, end in ends if place > start), default=None))
                if record.lines:
                    yield record


def _before(record: Lines, end: int | None) -> Lines:
    """The lines of a record that were acknowledged: those that end at ``end`` or before."""
    if end is None or record.end <= end:
        return record
    lines, at = [], record.at
    for each in record.lines:
        at += each[0]
        if at > end:
            break
        lines.append(each)
    return replace(record, lines=lines, crc=UNSET)
