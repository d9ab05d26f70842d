"""The index of a log file from which lines were taken out: the same records of what is left, at the places where it is
now. What differed from the index before differs from it afterwards, so an erasure hides no fault."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from itertools import accumulate
from pathlib import Path

from msgspec import UNSET, Struct
from msgspec.structs import replace

from recsys.eventlog.audit.layout import Section, decoded
from recsys.eventlog.writing.index import Alias, Damaged, End, Erased, Lines, Opened, Record, Seal, Torn, encoded

_LINES = b'{"record":"lines"'


class Taken(Struct, frozen=True):
    """A line that was taken out: where it began, its length with the newline, and its CRC-32."""

    at: int
    length: int
    crc: int


class Cut:
    """Which records of lines go, and where a byte of the old file is in the new one."""

    def __init__(self, taken: Sequence[Taken], sections: Sequence[Section]) -> None:
        by_place = {line.at: line for line in taken}
        self.entries = {line for section in sections for line in _entries(section) if by_place.get(line.at) == line}
        left = [line for line in taken if line not in self.entries]
        sums = Counter((line.length, line.crc) for line in left)
        if left:  # the file is not as it was written, and the line stands elsewhere than the index says
            for line in (line for section in sections for line in _entries(section)):
                if line not in self.entries and sums[line.length, line.crc]:
                    sums[line.length, line.crc] -= 1
                    self.entries.add(line)
        unknown = [line for line in left if sums[line.length, line.crc]]  # in no index: only their bytes count
        ranges = sorted({(line.at, line.length) for line in (*self.entries, *unknown)})
        self._starts = [at for at, _ in ranges]
        self._before = [0, *accumulate(length for _, length in ranges)]
        self._lengths = [length for _, length in ranges]

    def place(self, at: int) -> int:
        """Where the byte ``at`` of the old file is in the new one; of one that is gone, where what followed it is."""
        number = bisect_right(self._starts, at)
        if number and at < self._starts[number - 1] + self._lengths[number - 1]:
            return self._starts[number - 1] - self._before[number - 1]
        return at - self._before[number]


def _entries(section: Section) -> Iterator[Taken]:
    with section.index.open("rb") as file:
        at = file.seek(section.start)
        while at < section.end and (line := file.readline()):
            at += len(line)
            record = decoded(line) if line.startswith(_LINES) else None
            if isinstance(record, Lines):
                place = record.at
                for length, crc in record.lines:
                    yield Taken(place, length, crc)
                    place += length


class Edit(Struct, frozen=True, kw_only=True):
    """What becomes of an index. ``crc_to``: the CRC-32 of the new file up to a byte; None where the old file was not
    what its seal says. ``number``: inode and device of the new file, where indexes tell of it by these."""

    cut: Cut
    now: datetime
    forgotten: Collection[str]
    crc_to: Callable[[int], int] | None = None
    number: tuple[int, int] | None = None


def edited(index: Path, sections: Sequence[Section], edit: Edit) -> Iterator[bytes]:
    """The new content of an index, line by line. ``sections``: those of it that tell of the file."""
    with index.open("rb") as file:
        at = 0
        for section in [*sections, None]:
            start = section.start if section is not None else index.stat().st_size
            yield from without_aliases(_until(file, at, start), edit.forgotten)
            if section is not None:
                at = section.end
                yield from _Part(edit).run(without_aliases(_until(file, start, at), edit.forgotten))


def _until(file, at: int, end: int) -> Iterator[bytes]:  # noqa: ANN001 - a binary file
    while at < end and (line := file.readline()):
        at += len(line)
        yield line


def without_aliases(lines: Iterator[bytes], forgotten: Collection[str]) -> Iterator[bytes]:
    """The lines of an index but for aliases of these pseudonyms."""
    for line in lines:
        record = decoded(line) if forgotten and line.startswith(b'{"record":"alias"') else None
        if not (isinstance(record, Alias) and (record.previous in forgotten or record.current in forgotten)):
            yield line


class _Part:
    """One section on its way."""

    def __init__(self, edit: Edit) -> None:
        self._edit = edit
        self._taken = 0
        self._told = False

    def run(self, lines: Iterator[bytes]) -> Iterator[bytes]:
        for line in lines:
            record = decoded(line)
            if record is None or line.startswith(b'{"record":"index'):
                yield line  # what is no record is none afterwards either
                continue
            yield from map(encoded, self._changed(record))
        yield from map(encoded, self._receipt())

    def _receipt(self) -> Iterator[Record]:
        if self._taken and not self._told:
            self._told = True
            yield Erased(lines=self._taken, ts=self._edit.now)

    def _changed(self, record: Record) -> Iterator[Record]:
        place = self._edit.cut.place
        match record:
            case Lines():
                yield from self._lines(record)
            case Seal():
                yield from self._receipt()
                end, crc_to = place(record.bytes), self._edit.crc_to
                crc = record.crc if crc_to is None else crc_to(end)
                yield replace(record, bytes=end, lines=record.lines - self._taken, crc=crc)
            case Damaged():
                size = place(record.at + record.bytes) - place(record.at)
                if size:
                    yield replace(record, at=place(record.at), bytes=size)
            case End() | Torn():
                yield replace(record, at=place(record.at))
            case Opened() if self._edit.number is not None:
                inode, device = self._edit.number
                yield replace(record, inode=inode, device=device, at=place(record.at))
            case _:
                yield record

    def _lines(self, record: Lines) -> Iterator[Lines]:
        edit = self._edit
        kept: list[tuple[int, int]] = []
        first: int | None = None
        at = record.at
        for length, crc in record.lines:
            if Taken(at, length, crc) not in edit.cut.entries:
                kept.append((length, crc))
                first = at if first is None else first
            at += length
        before = record.before - self._taken
        self._taken += len(record.lines) - len(kept)
        if first is None:
            return
        crc = UNSET
        if record.crc is not UNSET and edit.crc_to is not None:
            crc = edit.crc_to(edit.cut.place(record.end))
        yield replace(record, at=edit.cut.place(first), before=before, crc=crc, lines=kept)
