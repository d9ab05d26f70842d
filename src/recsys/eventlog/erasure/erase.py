"""Erasing people from logs: every line of theirs is taken out of closed files, with what follows from it.

Outcomes and assignments go before exposures, for those of an exposure's request are found by it: whatever ends an
erasure in the middle, the next one finds the rest. Each file is replaced with its index as a whole (``swap``). Lines in
files that a writer still holds stay, and are told, and so do exposures whose outcomes are among these.
"""

from __future__ import annotations

import os
import zlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec import Struct, field

from recsys.eventlog.audit.layout import decoded
from recsys.eventlog.audit.stream import DAMAGED, opened
from recsys.eventlog.erasure import erased_archive as archive
from recsys.eventlog.erasure import erased_files as logs
from recsys.eventlog.erasure import rewritten
from recsys.eventlog.erasure.erased_files import LogFile, Place
from recsys.eventlog.erasure.erased_index import Taken, without_aliases
from recsys.eventlog.erasure.subjects import Subjects, Theirs
from recsys.eventlog.writing import swap
from recsys.eventlog.writing.index import Alias
from recsys.objectstore import Store

EXPOSURE = "exposure"
ORDER = ("outcome", "assignment", EXPOSURE)
_ALIAS = b'{"record":"alias"'


class Counted(Struct, frozen=True, kw_only=True):
    """Lines of one file."""

    file: str
    log: str
    lines: int


class Erasure(Struct, frozen=True, kw_only=True):
    """What was done: it says how many and where, and never whose.

    ``waiting``: lines that stay, for a writer holds their file, or that of an outcome of theirs. ``unreadable``: packed
    files that are damaged, and stay as they are. ``torn`` counts files of cut off records that were changed.
    """

    at: datetime
    subjects: int
    erased: list[Counted] = field(default_factory=list)
    waiting: list[Counted] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    torn: int = 0
    aliases: int = 0

    @property
    def complete(self) -> bool:
        """Whether nothing of theirs is left, as far as can be known."""
        return not self.waiting and not self.unreadable

    def lines(self) -> dict[str, int]:
        """Lines that were taken out, by log."""
        total: Counter[str] = Counter()
        for each in self.erased:
            total[each.log] += each.lines
        return dict(total)


class _Found(Struct):
    """The lines of theirs in one file; ``size`` and ``crc`` are of all its content."""

    file: LogFile
    lines: list[tuple[Taken, Theirs]]
    size: int
    crc: int


def erase(
    places: Sequence[Place],
    pseudonyms: Collection[str],
    *,
    count: int,
    now: datetime,
    archives: Mapping[str, Store] = MappingProxyType({}),
    files: Any = os,
) -> Erasure:
    """Take the lines of these pseudonyms, which are of ``count`` people, out of logs, and out of their ``archives``.

    StorageError where upkeep of a folder does not end, or an archive does not answer; OSError where a file cannot be
    read or written: what was begun is completed by the next erasure, or by ``recovery``.
    """
    subjects = Subjects(pseudonyms)
    with ExitStack() as held:
        for folder in sorted({place.folder for place in places}):
            held.enter_context(logs.alone(folder))
            swap.finish_locked(folder, files)
        every = [file for place in places for file in logs.files_of(place, held, now=now, files=files)]
        for log, store in archives.items():
            scratch = Path(held.enter_context(TemporaryDirectory(prefix="recsys-")))
            every += archive.files_of(log, store, scratch)
        indexes = {index: file for file in every for index in file.indexes}
        subjects.learn(alias for index in indexes for alias in _aliases(index))
        try:
            return _Run(every, subjects, now, files).run(count)
        except OSError:
            for folder in {place.folder for place in places}:  # what was begun takes room
                with suppress(OSError):
                    swap.finish_locked(folder, files)
            raise


class _Run:
    def __init__(self, every: list[LogFile], subjects: Subjects, now: datetime, files: Any) -> None:
        self._every = every
        self._subjects = subjects
        self._now = now
        self._files = files
        self._waiting: list[Counted] = []
        self._erased: list[Counted] = []
        self._unreadable: list[str] = []

    def run(self, count: int) -> Erasure:
        exposures = [self._search(file) for file in self._every if file.log == EXPOSURE]
        self._subjects.requests = {theirs.request_id for each in exposures for _, theirs in each.lines} - {""}
        self._subjects.requests -= self._shared()
        others = [self._search(file) for file in self._every if file.log != EXPOSURE]
        held_back = {
            theirs.request_id for each in others if not each.file.closed for _, theirs in each.lines
            if not theirs.by_name
        }  # fmt: skip
        found = [*others, *exposures]
        for each in found:
            self._keep_back(each, held_back)
        self._wait_for_aliases()
        forgotten = set() if self._waiting or self._unreadable else self._subjects.pseudonyms
        for each in sorted(found, key=lambda each: ORDER.index(each.file.log)):
            if each.file.closed and each.lines and str(each.file) not in self._unreadable:
                self._rewrite(each, forgotten)
        torn = sum(self._rewrite_torn(path) for path in sorted({path for file in self._every for path in file.torn}))
        aliases = self._forget(forgotten)
        for file in self._every:
            file.put_back()
        return Erasure(
            at=self._now, subjects=count, erased=self._erased, waiting=self._waiting, unreadable=self._unreadable,
            torn=torn, aliases=aliases,
        )  # fmt: skip

    def _shared(self) -> set[str]:
        """Of their requests, those whose ids exposures of others have too: what is of these is told by pseudonym."""
        if not self._subjects.requests:
            return set()
        files = [file for file in self._every if file.log == EXPOSURE and str(file) not in self._unreadable]
        again = (theirs for file in files for _, theirs in self._search(file).lines)
        return {theirs.request_id for theirs in again if not theirs.by_name}

    def _search(self, file: LogFile) -> _Found:
        found = _Found(file=file, lines=[], size=0, crc=0)
        if file.is_empty:
            return found
        with file.content(), _noting_damage(self._unreadable, str(file)), opened(file.path) as (stream, _):
            for line in stream.lines_from(0):
                theirs = self._subjects.own(line)
                if theirs is not None:
                    found.lines.append((Taken(found.size, len(line), zlib.crc32(line)), theirs))
                found.size += len(line)
                found.crc = zlib.crc32(line, found.crc)
        return found

    def _keep_back(self, found: _Found, held_back: set[str]) -> None:
        """Count what stays, and leave only what goes."""
        before = len(found.lines)
        kept_back = held_back if found.file.log == EXPOSURE else set()
        found.lines = [
            line for line in found.lines if found.file.closed and line[1].request_id not in kept_back
        ]  # fmt: skip
        if len(found.lines) < before:
            self._wait(found.file, before - len(found.lines))

    def _wait(self, file: LogFile, lines: int) -> None:
        self._waiting.append(Counted(file=str(file), log=file.log, lines=lines))

    def _wait_for_aliases(self) -> None:
        """An alias in the index of a file that is written to stays too."""
        for file in self._every:
            if not file.closed and any(map(self._concerns, (a for index in file.indexes for a in _aliases(index)))):
                self._wait(file, 0)

    def _concerns(self, alias: Alias) -> bool:
        return alias.previous in self._subjects.pseudonyms or alias.current in self._subjects.pseudonyms

    def _rewrite(self, found: _Found, forgotten: Collection[str]) -> None:
        taken = [line for line, _ in found.lines]
        with found.file.content():
            done = self._without(found, taken, forgotten)
            found.file.put_back()
        if done:
            self._erased.append(Counted(file=str(found.file), log=found.file.log, lines=len(taken)))
        else:
            self._wait(found.file, len(taken))

    def _without(self, found: _Found, taken: list[Taken], forgotten: Collection[str]) -> bool:
        return rewritten.rewrite(
            logs.anew(found.file), taken, size=found.size, crc=found.crc, now=self._now, forgotten=forgotten,
            files=self._files,
        )  # fmt: skip

    def _rewrite_torn(self, path: Path) -> bool:
        before = path.read_bytes()
        after = self._subjects.without_traces(before)
        if after != before:
            swap.replace_alone(path, [after], self._files)
        return after != before

    def _forget(self, forgotten: Collection[str]) -> int:
        """Take their aliases out of the indexes that still have some; returns how many these were in all."""
        if not forgotten:
            return 0
        count = 0
        for index in sorted({index for file in self._every for index in file.indexes}):
            found = sum(map(self._concerns, _aliases(index)))
            if found:
                with index.open("rb") as lines:
                    swap.replace_alone(index, without_aliases(lines, forgotten), self._files)
                count += found
        return count


@contextmanager
def _noting_damage(unreadable: list[str], name: str) -> Iterator[None]:
    """A packed file that cannot be unpacked to its end is noted, and not in the way of the others."""
    try:
        yield
    except DAMAGED:
        unreadable.append(name)


def _aliases(index: Path) -> Iterator[Alias]:
    try:
        with index.open("rb") as lines:
            for line in lines:
                record = decoded(line) if line.startswith(_ALIAS) else None
                if isinstance(record, Alias):
                    yield record
    except FileNotFoundError:
        return


def write_receipt(folder: Path, erasure: Erasure, *, files: Any = os) -> Path:
    """Put what was done beside the logs of a folder: ``erasure-<time>.json``; returns its path."""
    path = folder / f"erasure-{erasure.at:%Y%m%dT%H%M%S%f}Z.json"
    told = {
        "record": "erasure.v1", "at": erasure.at, "subjects": erasure.subjects, "complete": erasure.complete,
        "lines": erasure.lines(), "files": erasure.erased, "waiting": erasure.waiting,
        "unreadable": erasure.unreadable, "torn": erasure.torn, "aliases": erasure.aliases,
    }  # fmt: skip
    swap.replace_alone(path, [msgspec.json.format(msgspec.json.encode(told)) + b"\n"], files)
    return path
