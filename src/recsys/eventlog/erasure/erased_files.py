"""The files of logs as an erasure sees them: which there are, what stands beside them, and which are closed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct, field
from msgspec.structs import replace

from recsys.errors import StorageError
from recsys.eventlog.audit import layout, sections
from recsys.eventlog.audit.layout import Section
from recsys.eventlog.audit.verify import rotated
from recsys.eventlog.upkeep import passes as upkeep
from recsys.eventlog.writing import places, recovery, shared, swap
from recsys.eventlog.writing.segment import INDEX, TORN, index_of, parse, plain, segments

PATIENCE_S = 60.0


class Place(Struct, frozen=True):
    """Where a log is: a folder of segments, or one file."""

    log: str
    path: Path

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.path.is_dir()

    @property
    def folder(self) -> Path:
        """The folder that its files are in."""
        return self.path if self.is_folder else self.path.parent


class Stored(Protocol):
    """What keeps a file elsewhere."""

    def content(self, path: Path) -> AbstractContextManager[None]:
        """The file is here as ``path`` meanwhile."""
        ...

    def put_back(self) -> None:
        """Bring what has changed here to where it is kept."""
        ...


class LogFile(Struct, frozen=True, kw_only=True):
    """One file of a log. ``indexes`` and ``torn``: what stands beside it, and goes with it. ``sections``: the parts of
    indexes that tell of it, which for a log that is the one file ``base`` are known by its ``inode``, or else by its
    lines. ``is_empty``: there is only what stands beside it. ``archived``: it is in an object store, as ``url``, and
    its content is here only while it is worked on."""

    log: str
    path: Path
    closed: bool
    is_segment: bool
    indexes: list[Path] = field(default_factory=list)
    torn: list[Path] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    base: Path | None = None
    inode: bool = False
    is_empty: bool = False
    archived: Stored | None = None
    url: str = ""

    def __str__(self) -> str:
        return self.url or str(self.path)

    def content(self) -> AbstractContextManager[None]:
        """Meanwhile the file is there."""
        return nullcontext() if self.archived is None else self.archived.content(self.path)

    def put_back(self) -> None:
        """Where it is archived, bring changes there."""
        if self.archived is not None:
            self.archived.put_back()


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Nobody else packs, moves, removes or replaces closed files of a folder meanwhile.

    StorageError where somebody is at it for a minute.
    """
    until = time.monotonic() + PATIENCE_S
    while True:
        with upkeep.alone(folder) as is_alone:
            if is_alone:
                with swap.locked(folder, wait=True):
                    yield
                return
        if time.monotonic() > until:
            hint = "Try again later."
            raise StorageError("segments of the folder are being packed or moved", where=str(folder), hint=hint)
        time.sleep(0.1)


def files_of(place: Place, held: ExitStack, *, now: datetime, files: Any) -> list[LogFile]:
    """The files of a log. What dead writers left is repaired and sealed first; ``held`` keeps the locks that show that
    nobody writes."""
    if place.is_folder:
        return [*_segments(place, now, files), *_left_beside(place)]
    return list(_rotated(place, held))


def _segments(place: Place, now: datetime, files: Any) -> Iterator[LogFile]:
    for path in segments(place.path, place.log):
        if path.suffix == ".jsonl" and path.stat().st_size:
            recovery.recover_segment(path, now=now, files=files)
        if not path.exists():
            continue
        scan = layout.scan(index_of(path))
        closed = any(section.seal is not None for section in scan.sections)
        yield LogFile(
            log=place.log, path=path, closed=closed, is_segment=True, indexes=_there(index_of(path)),
            torn=_there(_beside(path, TORN)) if closed else [], sections=scan.sections,
        )  # fmt: skip


def _left_beside(place: Place) -> Iterator[LogFile]:
    """Indexes and torn records whose segments are gone, as a file without content."""
    there = {plain(path).name for path in segments(place.path, place.log)}
    for path in sorted(place.path.iterdir()):
        name = parse(path.name)
        if name is None or name.log != place.log or not name.beside:
            continue
        if path.name.removesuffix(name.beside) not in there:
            yield LogFile(
                log=place.log, path=path, closed=True, is_segment=True, is_empty=True,
                indexes=[path] if name.beside == INDEX else [], torn=[path] if name.beside == TORN else [],
            )  # fmt: skip


def _there(path: Path) -> list[Path]:
    return [path] if path.exists() else []


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(plain(path).name + suffix)


def _rotated(place: Place, held: ExitStack) -> Iterator[LogFile]:
    free = {index: _is_free(index, held) for index in shared.indexes_of(place.path)}
    ended = all(free.values())
    yield LogFile(
        log=place.log, path=place.path, closed=ended, is_segment=False, is_empty=True, indexes=list(free),
        torn=_there(place.path.with_name(place.path.name + TORN)) if ended else [],
    )  # fmt: skip
    for path in rotated(place.path):
        found = _told(place.path, path)
        telling = free if path == place.path else {section.index for section in found.sections}
        closed = all(free.get(index, True) for index in telling)
        yield LogFile(
            log=place.log, path=path, closed=closed, is_segment=False, base=place.path, sections=found.sections,
            inode=found.by_inode,
        )  # fmt: skip


class _Told(Struct):
    sections: list[Section]
    by_inode: bool


def _told(base: Path, path: Path) -> _Told:
    """What the indexes of a log that is one file tell of a file that it is, or was."""
    lives = sections.lives(sections.scans(base.parent).get(base.name, []))
    stat = path.stat()
    by_inode = sections.of_file((stat.st_ino, stat.st_dev), lives)
    if by_inode is not None and not sections.is_life_of(path, by_inode):
        by_inode = None
    life = by_inode or sections.like(sections.first_lines(path), lives)
    return _Told([] if life is None else life.sections, by_inode is not None)


def anew(file: LogFile) -> LogFile:
    """The file, with its sections where they are now: replacing another file of the log has moved them."""
    if file.base is None:
        return file
    told = _told(file.base, file.path)
    return replace(file, sections=told.sections, inode=told.by_inode)


def _is_free(index: Path, held: ExitStack) -> bool:
    """Whether the writer of an index of a log that is one file has ended; the lock is held then."""
    fd = os.open(index, os.O_RDONLY | os.O_CLOEXEC)
    held.callback(os.close, fd)
    return places.try_lock(fd)
