"""Comparing a log with its indexes: every file that it has, and every file that it should have.

In a folder each segment has its index. A log that is one file has the indexes of all its writers, which tell also of
the files that it was before it was rotated: those are found under whatever name they have now, compressed ones by their
lines.
"""

from __future__ import annotations

import errno
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from recsys.eventlog.audit import layout as layouts
from recsys.eventlog.audit import sections
from recsys.eventlog.audit.checked import Checked, Fault, check, damage, described
from recsys.eventlog.audit.layout import Layout, Scan
from recsys.eventlog.audit.sections import Life
from recsys.eventlog.audit.stream import opened
from recsys.eventlog.writing.segment import INDEX, PACKED, TORN, index_of, parse, plain, segments
from recsys.eventlog.writing.shared import is_of

__all__ = ["Checked", "Fault", "rotated", "verify_file", "verify_folder", "verify_log", "verify_segment"]

OnBytes = Callable[[int], None]


def _silent(_: int) -> None:
    """Nobody watches."""


def verify_folder(folder: Path, log: str, *, archived: bool = False, on_bytes: OnBytes = _silent) -> Iterator[Checked]:
    """Every segment of a log in a folder, and those that are gone though their index or their number tells of them.

    ``archived``: closed segments are moved away, so that one that is not here is no fault. ``on_bytes`` is told how far
    into a segment the reading is. OSError where something cannot be read.
    """
    numbers: dict[str, dict[int, Path]] = defaultdict(dict)
    for path in segments(folder, log):
        scan = layouts.scan(index_of(path))
        _number(numbers, scan, path)
        checked = _segment(path, scan, on_bytes)
        if checked is not None:
            yield checked
    for path in sorted(folder.glob(f"{log}-*.jsonl{INDEX}")):
        name = parse(path.name)
        segment = path.with_name(path.name.removesuffix(INDEX))
        if name is None or name.log != log or _there(segment) is not None:
            continue
        scan = layouts.scan(path)
        _number(numbers, scan, segment)
        if path.exists() and _there(segment) is None:  # retention may just have taken both
            yield _gone(segment, scan, archived)
    if not archived:
        yield from _holes(folder, log, numbers)


def verify_segment(path: Path, *, on_bytes: OnBytes = _silent) -> Checked:
    """One segment, plain or packed. OSError where it cannot be read."""
    checked = _segment(path, layouts.scan(index_of(path)), on_bytes)
    if checked is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    return checked


def _number(numbers: dict[str, dict[int, Path]], scan: Scan, path: Path) -> None:
    if scan.header is not None:
        numbers[scan.header.writer][scan.header.sequence] = path


def _there(segment: Path) -> Path | None:
    """A segment, plain or packed; None where neither is there."""
    return next((path for path in (segment, segment.with_name(segment.name + PACKED)) if path.exists()), None)


def _segment(path: Path, scan: Scan, on_bytes: OnBytes) -> Checked | None:
    """One segment; None where it went away meanwhile, as retention and archiving do."""
    try:
        with opened(path, on_bytes) as (stream, file):
            size = os.fstat(file.fileno()).st_size
            if not scan.size:  # or it was just made: the index comes after its segment, and before its first line
                scan = layouts.scan(index_of(path))
            if not scan.size:
                fault = [Fault(file=str(path), kind="no index")] if size else []
                return Checked(file=str(path), bytes=size, faults=fault)
            layout = Layout(scan.sections, growing=True)
            return _with_index(check(path, stream, layout, seen=size), [scan])
    except FileNotFoundError:
        now = _there(plain(path))
        return None if now is None or now == path else _segment(now, scan, on_bytes)


def _with_index(checked: Checked, scans: Sequence[Scan]) -> Checked:
    """What was found, with what is wrong with the indexes themselves."""
    known = {(fault.file, fault.start) for fault in checked.faults}
    faults = [each for scan in scans for each in damage({scan.path: scan.bad})]
    notes = [f"{scan.path}: {scan.torn:,} bytes at its end are unfinished" for scan in scans if scan.torn]
    return replace(
        checked,
        gaps=[*checked.gaps, *(gap for scan in scans for gap in scan.pending)],
        faults=[*checked.faults, *(each for each in faults if (each.file, each.start) not in known)],
        notes=[*checked.notes, *notes],
    )


def _gone(segment: Path, scan: Scan, archived: bool) -> Checked:
    told = _with_index(described(str(segment), scan.sections), [scan])
    lines = sum(section.lines for section in scan.sections)
    if not lines:
        return told
    if archived:
        return replace(told, notes=[*told.notes, "its index stands, and it does not: it is being archived"])
    return replace(told, faults=[*told.faults, Fault(file=str(segment), kind="no segment", lines=lines)])


def _holes(folder: Path, log: str, numbers: dict[str, dict[int, Path]]) -> Iterator[Checked]:
    """Segments between two others of the same writer that are gone with their indexes. Retention takes the first."""
    for writer, known in sorted(numbers.items()):
        for number in range(min(known) + 1, max(known)):
            if number not in known:
                name = f"{folder}/{log}-*.{writer}-{number}.jsonl"
                yield Checked(file=name, faults=[Fault(file=name, kind="no segment")])


def verify_log(path: Path, *, on_bytes: OnBytes = _silent) -> Iterator[Checked]:
    """A log that is one file, and all files that it was before, in the order in which they were written.

    Files that were rotated away and removed are no fault, as long as they are the oldest. OSError where something
    cannot be read.
    """
    files = rotated(path)
    sizes = {each: each.stat() for each in files}
    scans = sections.scans(path.parent).get(path.name, [])
    lives = sections.lives(scans)
    found = _matched(files, lives)
    there = {id(life) for life in found.values() if life is not None}
    begun = False
    for life in lives:
        if id(life) in there:
            begun = True
        elif life.lines and (begun or life is lives[-1]):
            yield _lost(path, life)
    for file in files:
        life = found[file]
        yield _unknown(file, scans) if life is None else _compared(file, life, sizes[file].st_size, on_bytes)
    told = _with_index(Checked(file=f"{path}.*{INDEX}"), scans)
    if told.gaps or told.faults or told.notes:
        yield told


def verify_file(path: Path, *, on_bytes: OnBytes = _silent) -> Checked:
    """One file of a log that is one file: as it is now, or one that was rotated away. OSError where it, or an index,
    cannot be read."""
    size = path.stat().st_size
    by_log = sections.scans(path.parent)
    scans = by_log.get(path.name) or [scan for found in by_log.values() for scan in found]
    life = _matched([path], sections.lives(scans))[path]
    if life is None:
        return _unknown(path, scans)
    ours = {section.index for section in life.sections}
    return _with_index(_compared(path, life, size, on_bytes), [scan for scan in scans if scan.path in ours])


def rotated(path: Path) -> list[Path]:
    """The files of a log that is one file, the newest last: itself, and those it was renamed to or copied from, as
    ``<file>.1``, ``<file>-20260205.gz``, what was set aside, or any name in its folder that one of its files has
    now."""
    lives = sections.lives(sections.scans(path.parent).get(path.name, []))
    found = []
    for each in path.parent.iterdir():
        if not each.is_file() or each.name.endswith((INDEX, TORN)):
            continue
        stat = each.stat()
        life = None if is_of(path, each.name) else sections.of_file((stat.st_ino, stat.st_dev), lives)
        if is_of(path, each.name) or (life is not None and sections.is_life_of(each, life)):
            found.append((each == path, stat.st_mtime, each))
    return [each for _, _, each in sorted(found)]


def spent(path: Path) -> list[Scan]:
    """The indexes of a log that is one file that tell only of files which are gone, and older than the oldest that is
    there. OSError where something cannot be read."""
    scans = sections.scans(path.parent).get(path.name, [])
    lives = sections.lives(scans)
    there = {id(life) for life in _matched(rotated(path), lives).values()}
    oldest = next((number for number, life in enumerate(lives) if id(life) in there), 0)
    gone = {id(section) for life in lives[:oldest] for section in life.sections}
    return [scan for scan in scans if scan.sections and gone.issuperset(map(id, scan.sections))]


def _matched(files: Sequence[Path], lives: Sequence[Life]) -> dict[Path, Life | None]:
    """What each file is: told by its inode and its first lines, by its lines alone, or, where these were changed, by
    its inode alone."""
    found: dict[Path, Life | None] = dict.fromkeys(files)
    by_inode = {}
    for file in files:
        stat = file.stat()
        life = by_inode[file] = sections.of_file((stat.st_ino, stat.st_dev), lives)
        found[file] = life if life is not None and sections.is_life_of(file, life) else None
    for tell in (lambda file, left: sections.like(sections.first_lines(file), left), lambda file, _: by_inode[file]):
        for file in files:
            if found[file] is None:
                taken = {id(life) for life in found.values()}
                life = tell(file, [life for life in lives if id(life) not in taken])
                found[file] = None if id(life) in taken else life
    return found


def _compared(file: Path, life: Life, seen: int, on_bytes: OnBytes) -> Checked:
    with opened(file, on_bytes) as (stream, handle):
        packed = file.suffix in (".gz", ".zst")
        layout = life.layout()
        layout.growing = (layout.growing and not packed) or ".failed-" in file.name  # there nothing is acknowledged
        del handle
        return check(file, stream, layout, seen=0 if packed else seen)


def _unknown(file: Path, scans: Sequence[Scan]) -> Checked:
    """A file that no index tells of: no fault where it is older than all of them."""
    stat = file.stat()
    told = Checked(file=str(file), bytes=stat.st_size)
    if not stat.st_size:
        return told
    opened_at = [scan.header.opened for scan in scans if scan.header is not None]
    if opened_at and datetime.fromtimestamp(stat.st_mtime, UTC) < min(opened_at):
        return replace(told, notes=["older than any index, and not compared"])
    kind = "no index" if sections.first_lines(file) else "unreadable"
    return replace(told, faults=[Fault(file=str(file), kind=kind)])


def _lost(path: Path, life: Life) -> Checked:
    told = described(f"{path} (as it was until {life.last:%Y-%m-%dT%H:%M:%SZ})", life.sections)
    return replace(told, faults=[Fault(file=told.file, kind="no segment", lines=life.lines)])
