"""What the indexes beside a log tell of it: which records are in no log, and who had another pseudonym before.

Only what was written down is told: a log without an index, Parquet and standard input know of no loss.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import UNSET, Struct, field

from recsys.errors import InputError
from recsys.eventlog.writing.index import Alias, Gap, Header, Opened, Record, opened
from recsys.eventlog.writing.segment import INDEX, index_of, parse
from recsys.eventlog.writing.shared import is_of

_LINES = b'{"record":"lines"'
"""Nearly all of an index is this, and says nothing of losses: it is not decoded."""

_decode = msgspec.json.Decoder(Record).decode


class FileGap(Struct, frozen=True, kw_only=True):
    """A gap, the log file whose index tells of it, and the writer whose it is."""

    file: str
    writer: str
    gap: Gap


class Told(Struct, frozen=True, kw_only=True):
    """What indexes tell: each gap once, in order of time, and each alias once."""

    gaps: list[FileGap] = field(default_factory=list)
    aliases: list[Alias] = field(default_factory=list)


def read(paths: Sequence[Path]) -> Told:
    """What the indexes beside these files tell. Of an index whose segment is not among the files, only a gap is told
    that had begun before that segment did: its writer could not record it in the one before.

    InputError where there is an index and it cannot be read: to pass over it would be to hide a loss.
    """
    gaps: dict[tuple[str, datetime, str], FileGap] = {}
    aliases: dict[Alias, None] = {}
    for path, indexes in _indexes(paths):
        told = [(index, _records(index)) for index in indexes]
        ours = [(index, _of_file(records, path)) for index, records in told]
        if parse(path.name.removesuffix(".gz")) is not None:
            own = index_of(path.with_name(path.name.removesuffix(".gz")))
            ours = [(index, part if index == own else _begun_before(part)) for index, part in told]
        elif all(part is None for _, part in ours):  # of a copy: rather a loss too many than one that is not told
            ours = told
        for (index, records), (_, part) in zip(told, ours, strict=True):
            header = next((record for record in records if isinstance(record, Header)), None)
            writer = index.name if header is None else header.writer
            aliases.update(dict.fromkeys(record for record in records if isinstance(record, Alias)))
            for gap in _gaps(part or []):
                # A crash may leave one gap twice: as it was at some time in the header of an index, and as it ended
                key = (writer, gap.first, gap.reason)
                if key not in gaps or gaps[key].gap.count < gap.count:
                    gaps[key] = FileGap(file=str(path), writer=writer, gap=gap)
    in_order = sorted(gaps.values(), key=lambda each: (each.gap.first, each.file))
    return Told(gaps=in_order, aliases=list(aliases))


def _gaps(records: Iterable[Record]) -> Iterator[Gap]:
    for record in records:
        if isinstance(record, Gap):
            yield record
        elif isinstance(record, Header) and record.pending is not UNSET:
            yield record.pending


def _records(index: Path) -> list[Record]:
    """All records but those of lines. What is no record is passed over: `log verify` tells of it."""
    found: list[Record] = []
    try:
        with opened(index) as lines:
            for line in lines:
                if not line.startswith(_LINES):
                    found += _decoded(line)
    except OSError as error:
        hint = "It tells which records the log has lost: make it readable, or remove it to do without."
        raise InputError("the index cannot be read", where=str(index), found=str(error.strerror), hint=hint) from None
    return found


def _decoded(line: bytes) -> list[Record]:
    try:
        return [_decode(line)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []


def _of_file(records: list[Record], path: Path) -> list[Record] | None:
    """Of the index of a log that is one file, the records of the file that ``path`` is now, told by its inode; None
    where it tells of others alone."""
    if not any(isinstance(record, Opened) for record in records):
        return records
    found = path.stat()
    ours: list[Record] = []
    taken = False
    for record in records:
        if isinstance(record, Opened):
            taken = (record.inode, record.device) == (found.st_ino, found.st_dev)
        if taken:
            ours.append(record)
    if taken:  # a gap that is not over yet is of the file that was opened last
        ours += [record for record in records if isinstance(record, Header)]
    return ours or None


def _indexes(paths: Sequence[Path]) -> Iterator[tuple[Path, list[Path]]]:
    """The files that have indexes beside them, with these."""
    shared: dict[Path, list[Path]] = {}
    by_writer: dict[tuple[Path, str, str, int], Path] = {}
    for path in paths:
        if not path.is_file():
            continue
        segment = path.with_name(path.name.removesuffix(".gz"))
        if path.parent not in shared:
            shared[path.parent] = sorted(path.parent.glob(f"*{INDEX}"))
            by_writer |= {_writer(index): index for index in shared[path.parent]}
        if parse(segment.name) is None:
            found = [index for index in shared[path.parent] if _is_of(index, path.name)]
        else:
            folder, log, writer, number = _writer(segment)
            following = by_writer.get((folder, log, writer, number + 1))
            found = [index for index in (index_of(segment), following) if index is not None and index.exists()]
        if found:
            yield path, found


def _writer(segment: Path) -> tuple[Path, str, str, int]:
    """Which log a segment, or its index, is of, whose, and which of these."""
    name = parse(segment.name)
    writer, _, number = ("" if name is None else name.writer).rpartition("-")
    known = number.isascii() and number.isdigit() and len(number) < 18
    return segment.parent, "" if name is None else name.log, writer, int(number) if known else -2


def _begun_before(records: list[Record]) -> list[Record]:
    """The gaps that an index tells of and that had begun before it did."""
    header = next((record for record in records if isinstance(record, Header)), None)
    if header is None:
        return []
    return [gap for gap in _gaps(records) if gap.first < header.opened]


def _is_of(index: Path, name: str) -> bool:
    """Whether an index is of the file of this name, also where that has been renamed: ``exposures.jsonl.1``,
    ``exposures.jsonl-20260205.gz``, ``exposures-20260205.jsonl``, or set aside."""
    if parse(index.name) is not None:
        return False
    file = index.name.removesuffix(INDEX).rpartition(".")[0]
    return bool(file) and is_of(Path(file), name)
