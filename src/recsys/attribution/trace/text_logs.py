"""A log of JSON lines, in whatever packing or place, that answers questions without being validated as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from msgspec import Struct

from recsys.attribution.trace import heads, line_numbers, lookalikes, scan
from recsys.attribution.trace.near import Sought
from recsys.attribution.trace.rows import Answer, Ask, Losses, Role, Row
from recsys.contracts.report import KnownGap
from recsys.contracts.types import MAX_LINE_BYTES
from recsys.eventlog.accept import refuse_another_record
from recsys.eventlog.audit import known_loss
from recsys.eventlog.mixed import SERVICE
from recsys.eventlog.ranges import BadLine
from recsys.eventlog.reader import LogFile, beside, expand_all, localize
from recsys.eventlog.validation import LOOKED_AT_LINES, FileValidation, Progress

TAIL_BYTES = 1 << 20
"""The last line of a file is looked for in so many bytes; what a log has grown by since does not count."""


class _File(Struct, frozen=True):
    """A file as a person knows it, where it can be read, how many of its bytes count, and the file beside which its
    indexes stand here."""

    name: str
    plain: Path
    size: int
    log: Path


class TextLog:
    """The files of one role. What they grow by after this is made does not count."""

    def __init__(self, files: Sequence[LogFile], role: Role, scratch: Path) -> None:
        """InputError where a file cannot be read."""
        self.role: Role = role
        self._files = [_opened(path, scratch) for path in files]

    @classmethod
    def of_specs(cls, specs: Sequence[str], role: Role, scratch: Path) -> TextLog:
        """The log behind the specs (see ``reader.expand``); InputError also where a file holds other records."""
        log = cls(expand_all(specs), role, scratch)
        for file in log._files:
            _check_beginning(file, role)
        return log

    @property
    def names(self) -> list[str]:
        """The files, as a person knows them."""
        return [file.name for file in self._files]

    def losses(self) -> Losses:
        """What the indexes beside the files tell."""
        told, names = known_loss.read([file.log for file in self._files]), {str(f.log): f.name for f in self._files}
        return Losses([_known(self.role, each, names[each.file]) for each in told.gaps], told.aliases)

    def ask(self, ask: Ask, on_progress: Progress | None = None) -> Answer:
        """The rows that are asked for, nearest first where they are too many, else in the order of the files."""
        found = scan.search([(file.plain, file.size) for file in self._files], self.role, ask, on_progress)
        answer = Answer(more=sum(hits.more for hits in found), refused=sum(hits.more_refused for hits in found))
        for file, hits in zip(self._files, found, strict=True):
            lines = [*hits.valid, *hits.refused]
            answer.rows += [heads.row(hit.line, self.role, file.name, hit.offset) for hit in lines]
        return answer

    def number(self, rows: Sequence[Row]) -> None:
        """Give each row the number of its line."""
        for file in self._files:
            own = [row for row in rows if row.file == file.name]
            lines = line_numbers.of_offsets(file.plain, [row.offset for row in own])
            for row in own:
                row.line = lines[row.offset]

    def span(self) -> tuple[int, int] | None:
        """From when to when the log is, in microseconds since 1970, as the first and last lines of its files tell."""
        times = [heads.instant_of(line) for file in self._files for line in _first_and_last(file)]
        known = [ts_us for ts_us in times if ts_us is not None]
        return (min(known), max(known)) if known else None

    def resembling(self, sought: Sought) -> set[str]:
        """Some ids of requests that resemble the one sought."""
        return lookalikes.search([(file.plain, file.size) for file in self._files], sought)


def _known(role: Role, told: known_loss.FileGap, name: str) -> KnownGap:
    gap = told.gap
    return KnownGap(
        log=role, file=name, lost=gap.lost, refused=gap.refused, first=gap.first, last=gap.last, reason=gap.reason
    )


def _opened(path: LogFile, scratch: Path) -> _File:
    plain = localize(path, scratch)
    return _File(str(path), plain, plain.stat().st_size, beside(path, plain))


def _check_beginning(file: _File, role: Role) -> None:
    """InputError for a file that begins with lines of which none is valid, and that look like another record."""
    with file.plain.open("rb") as content:
        lines = list(islice(iter(lambda: content.readline(MAX_LINE_BYTES), b""), LOOKED_AT_LINES))
    if any(heads.is_valid(line.removesuffix(b"\n"), role) for line in lines):
        return
    looked_at = FileValidation(
        name=file.name, plain=file.plain, schema=heads.SCHEMAS[role], bytes=file.size, rows=len(lines),
        bad=[BadLine(0, 0, number) for number in range(1, len(lines) + 1)],
    )  # fmt: skip
    refuse_another_record(looked_at, looked_at.schema, SERVICE if role == "exposures" else "")


def _first_and_last(file: _File) -> list[bytes]:
    if not file.size:
        return []
    with file.plain.open("rb") as content:
        first = content.readline(MAX_LINE_BYTES)
        content.seek(max(file.size - TAIL_BYTES, 0))
        last = content.read(min(TAIL_BYTES, file.size)).removesuffix(b"\n").rpartition(b"\n")[2]
    return [first.removesuffix(b"\n"), last]
