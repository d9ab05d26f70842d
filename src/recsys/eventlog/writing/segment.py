"""Names of the files of a log folder: segments, and what stands beside them.

A segment is the file of one writer and one UTC day: ``exposure-2026-02-05.<writer>.jsonl``, or ``….jsonl.zst`` once it
is compressed. Beside it stand its index (``….jsonl.index``, see ``index``) and, where a crash left half a record, what
was cut off (``….jsonl.torn``).
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

from msgspec import Struct

INDEX = ".index"
TORN = ".torn"
PACKED = ".zst"

_NAME = re.compile(r"([a-z]+)-(\d{4}-\d{2}-\d{2})\.([A-Za-z0-9_-]+)\.jsonl(\.zst)?(\.torn|\.index)?")


class SegmentName(Struct, frozen=True):
    """What the name of a file in a log folder says. ``beside``: ``.index``, ``.torn``, or "" for the segment itself."""

    log: str
    day: date
    writer: str
    packed: bool = False
    beside: str = ""

    def __str__(self) -> str:
        packed = PACKED if self.packed else ""
        return f"{self.log}-{self.day.isoformat()}.{self.writer}.jsonl{packed}{self.beside}"


def parse(name: str) -> SegmentName | None:
    """What a name says; None where it is none of a log folder's."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    try:
        day = date.fromisoformat(found[2])
    except ValueError:  # not a day, so not a name of ours
        return None
    return SegmentName(found[1], day, found[3], bool(found[4]), found[5] or "")


def segments(folder: Path, log: str) -> list[Path]:
    """The segments of a log in a folder, packed ones too, in order of day and writer.

    One that stands there twice, for its packing was interrupted, is told once: plain.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):  # plain names come before packed ones
        name = parse(path.name)
        if name is not None and name.log == log and not name.beside and path.is_file():
            found.setdefault(plain(path).name, path)
    return sorted(found.values())


def plain(path: Path) -> Path:
    """The path of a segment as it was before it was packed."""
    return path.with_name(path.name.removesuffix(PACKED))


def index_of(path: Path) -> Path:
    """Where the index of a segment is, packed or not."""
    return path.with_name(plain(path).name + INDEX)


def torn_of(path: Path) -> Path:
    """Where what was cut off a log file is kept."""
    return path.with_name(plain(path).name + TORN)


def plain_name(path: Path) -> str:
    """The name of the segment that a file is, or stands beside."""
    return path.name.removesuffix(INDEX).removesuffix(TORN).removesuffix(PACKED)
