"""Which part of the indexes of a log that is one file tells of which file.

Such a log is renamed when it is rotated, and its writers go on in a new file under the old name. Their indexes note the
inode of each file that they open. An inode is used again once its file is gone, so one inode may have been several
files; and a copy, compressed or not, has another inode, and is told by its lines.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path
from zlib import crc32

from msgspec import Struct

from recsys.eventlog.audit.layout import Layout, Scan, Section, scan
from recsys.eventlog.audit.stream import DAMAGED, opened
from recsys.eventlog.writing.index import Closed, Opened
from recsys.eventlog.writing.segment import INDEX, parse

LINES_TO_TELL_BY = 1_000
_EARLIEST = datetime.min.replace(tzinfo=UTC)


class Life(Struct, kw_only=True):
    """One file from its making to its end, as its sections tell. ``number``: its inode and device."""

    number: tuple[int, int]
    sections: list[Section]
    settled: bool = True
    """Every writer has left it in order: all of its lines are indexed."""

    @property
    def last(self) -> datetime:
        """When it was last opened or written to."""
        opened = [section.opened.ts for section in self.sections if section.opened is not None]
        return max([*opened, *_times(self.sections)], default=_EARLIEST)

    @property
    def lines(self) -> int:
        """The lines that were written to it, as far as they are indexed."""
        return sum(section.lines for section in self.sections)

    def layout(self) -> Layout:
        """Its lines."""
        return Layout(self.sections, growing=not self.settled)


def _times(sections: Iterable[Section]) -> Iterator[datetime]:
    return chain.from_iterable(section.times for section in sections)


def scans(folder: Path) -> dict[str, list[Scan]]:
    """The indexes of logs that are one file, by the name of that file, in a folder."""
    found: dict[str, list[Scan]] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix == INDEX and parse(path.name) is None and path.is_file():
            read = scan(path)
            if read.size:
                found.setdefault(read.header.file if read.header else _base(path.name), []).append(read)
    return found


def _base(name: str) -> str:
    """The log that an index is of, by its name: ``<file>.<writer>-<number>.index``."""
    return name.removesuffix(INDEX).rpartition(".")[0]


def lives(indexes: Sequence[Scan]) -> list[Life]:
    """All files that indexes tell of, in the order in which they were last written to."""
    by_number: dict[tuple[int, int], list[Section]] = {}
    for index in indexes:
        for section in index.sections:
            if section.opened is not None:
                by_number.setdefault((section.opened.inode, section.opened.device), []).append(section)
    left = {id(section) for index in indexes for section in _left(index)}
    made = [
        Life(number=number, sections=part, settled=all(id(section) in left for section in part))
        for number, sections in by_number.items()
        for part in _apart(sections)
    ]
    return sorted(made, key=lambda life: life.last)


def _left(index: Scan) -> list[Section]:
    """The sections whose file the writer has left in order: all but the last, and that one where it has ended so."""
    ended = bool(index.sections) and bool(index.sections[-1].of(Closed))
    return index.sections if ended else index.sections[:-1]


def _apart(sections: list[Section]) -> list[list[Section]]:
    """The sections of each file that one inode was, the oldest first: who found it empty after others had written found
    a new one."""
    parts: list[list[Section]] = [[]]
    for section in sorted(sections, key=_opened_at):
        written = [section.times[-1] for section in parts[-1] if section.times]
        opened = section.opened
        if opened is not None and opened.at == 0 and written and max(written) < opened.ts:
            parts.append([])
        parts[-1].append(section)
    return parts


def _opened_at(section: Section) -> datetime:
    opened: Opened | None = section.opened
    return _EARLIEST if opened is None else opened.ts


def of_file(number: tuple[int, int], known: Sequence[Life]) -> Life | None:
    """The life of a file that is there, by its inode and device: the last one, for older ones are over."""
    return next((life for life in reversed(known) if life.number == number), None)


def first_lines(file: Path, at: int = 0) -> set[tuple[int, int]]:
    """What tells a file: length and CRC-32 of each of its first lines from byte ``at`` on, as far as they can be
    read."""
    keys: set[tuple[int, int]] = set()
    with contextlib.suppress(*DAMAGED), opened(file) as (stream, _):
        for line in islice(stream.lines_from(at), LINES_TO_TELL_BY):
            keys.add((len(line), crc32(line)))
    return keys


def is_life_of(file: Path, life: Life) -> bool:
    """Whether a file that has the inode of a life holds some of its first lines too: an inode is used again."""
    first = next(life.layout().pieces(), None)
    return first is None or like(first_lines(file, first.at), [life]) is not None


def like(keys: set[tuple[int, int]], known: Sequence[Life]) -> Life | None:
    """The life of the file that begins with most of these lines, told by length and CRC-32; None where none has any."""
    best: tuple[int, Life] | None = None
    for life in known:
        lines = (each for piece in life.layout().pieces() for each in piece.lines)
        same = len(keys.intersection(islice(lines, LINES_TO_TELL_BY)))
        if same and (best is None or same > best[0]):
            best = (same, life)
    return None if best is None else best[1]
