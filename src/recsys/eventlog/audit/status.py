"""What a log consists of now, from names, sizes and indexes: no line of it is read."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from recsys.eventlog.audit import layout, mend, sections
from recsys.eventlog.audit.layout import Scan, Section
from recsys.eventlog.audit.verify import rotated
from recsys.eventlog.writing import index as indexes
from recsys.eventlog.writing.index import Content, Gap, Lines
from recsys.eventlog.writing.segment import PACKED, TORN, index_of, segments

RATE_S = 60.0


class Status(Struct, frozen=True, kw_only=True):
    """One log. ``open``: files that a writer holds; ``left``: those whose writer ended without closing them; ``packed``
    ones are sealed too. ``rate``: lines a second over the last minute, None where nothing is open. ``writers``: when
    each wrote last. ``free``: bytes that the disk has left."""

    log: str
    path: str
    files: int
    open: int
    left: int
    sealed: int
    packed: int
    lines: int
    bytes: int
    rate: float | None
    first: datetime | None
    last: datetime | None
    writers: dict[str, datetime | None]
    gaps: list[Gap]
    torn: list[str]
    free: int


def merged(gaps: Iterable[Gap]) -> list[Gap]:
    """Gaps in the order of time. A crash may leave one twice, as it was and as it ended: that is told once."""
    found: dict[tuple[datetime, str], Gap] = {}
    for gap in gaps:
        known = found.get((gap.first, gap.reason))
        if known is None or gap.count > known.count:
            found[gap.first, gap.reason] = gap
    return sorted(found.values(), key=lambda gap: gap.first)


def of_folder(folder: Path, log: str, *, now: datetime) -> Status:
    """The state of a log that is a folder. OSError where it cannot be read."""
    states: Counter[str] = Counter()
    scans: list[Scan] = []
    size = 0
    ends: list[Content] = []
    for path in segments(folder, log):
        scan = layout.scan(index_of(path))
        with contextlib.suppress(FileNotFoundError):
            size += path.stat().st_size
        state = _state(path, scan)
        states[state] += 1
        states["packed"] += path.suffix == PACKED
        scans.append(scan)
        if state == "open":
            ends.append(indexes.read_ends(scan.path))
    torn = [path.name for path in sorted(folder.glob(f"{log}-*{TORN}"))]
    parts = [section for scan in scans for section in scan.sections]
    return _status(log, folder, states, parts, scans, size, ends, torn, now)


def of_file(path: Path, log: str, *, now: datetime) -> Status:
    """The state of a log that is one file, with those that it was rotated to. OSError where it cannot be read."""
    files = rotated(path)
    numbers = {(stat.st_ino, stat.st_dev) for stat in (each.stat() for each in files)}
    scans = sections.scans(path.parent).get(path.name, [])
    parts = [
        section for life in sections.lives(scans) if life.number in numbers for section in life.sections
    ]  # fmt: skip
    with mend.free(scans) as nobody:
        states = Counter({"sealed": len(files)} if nobody else {"open": 1, "sealed": max(len(files) - 1, 0)})
    ends = [] if nobody else [indexes.read_ends(scan.path) for scan in scans]
    size = sum(each.stat().st_size for each in files)
    torn = [each.name for each in sorted(path.parent.glob(f"{path.name}*{TORN}"))]
    return _status(log, path, states, parts, scans, size, ends, torn, now)


def _state(path: Path, scan: Scan) -> str:
    if any(section.seal is not None for section in scan.sections):
        return "sealed"
    if not scan.size:  # its writer may be about to lock it: nobody else may
        return "left"
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return "sealed"
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return "open"
    else:
        return "left"
    finally:
        os.close(fd)


def _status(
    log: str, path: Path, states: Counter[str], parts: Sequence[Section], scans: Sequence[Scan], size: int,
    ends: Sequence[Content], torn: list[str], now: datetime,
) -> Status:  # fmt: skip
    times = [time for section in parts for time in section.times]
    writers: dict[str, datetime | None] = {}
    for section in parts:
        if section.header is not None:
            known = [*section.times, writers.get(section.header.writer)]
            writers[section.header.writer] = max((time for time in known if time is not None), default=None)
    gaps = [gap for scan in scans for part in scan.sections for gap in part.of(Gap)]
    return Status(
        log=log, path=str(path), files=states["open"] + states["left"] + states["sealed"], open=states["open"],
        left=states["left"], sealed=states["sealed"], packed=states["packed"],
        lines=sum(section.lines for section in parts), bytes=size,
        rate=sum(_rate(end.of(Lines), now) for end in ends) if ends else None,
        first=min(times, default=None), last=max(times, default=None), writers=dict(sorted(writers.items())),
        gaps=merged([*gaps, *(gap for scan in scans for gap in scan.pending)]), torn=torn,
        free=shutil.disk_usage(path if path.is_dir() else path.parent).free,
    )  # fmt: skip


def _rate(records: Sequence[Lines], now: datetime) -> float:
    """Lines a second over the last minute, or over what the end of an index holds of it."""
    young = [record for record in records if (now - record.ts).total_seconds() <= RATE_S]
    if not young:
        return 0.0
    whole = len(young) < len(records) or records[0].before == 0
    seconds = RATE_S if whole else max((now - young[0].ts).total_seconds(), 1.0)
    return sum(len(record.lines) for record in young) / seconds
