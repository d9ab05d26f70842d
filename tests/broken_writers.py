"""Writers that break a promise on purpose, and which promise's test each must fail.

``promise("…")`` runs a test with the real writer, and then with each broken one that it is meant for: there the test
must fail. A test that a broken writer passes proves nothing.
"""

import functools
import inspect
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from recsys.errors import StorageError
from recsys.eventlog.writing import folder, recovery, shared
from recsys.eventlog.writing import index as indexes
from recsys.eventlog.writing.index import Seal
from recsys.eventlog.writing.segment import index_of, segments
from recsys.eventlog.writing.writer import LogWriter


class BrokenPromiseError(AssertionError):
    """What a test of a promise raises."""


class _Without:
    """File operations, some of which do nothing, or something else."""

    def __init__(self, files: Any, **instead: Callable[..., Any]) -> None:
        self._files = files
        self._instead = instead

    def __getattr__(self, name: str) -> Any:
        return self._instead.get(name) or getattr(self._files, name)


class NeverFlushes(LogWriter):
    """Its flush says yes, and does nothing."""

    def __init__(self, *arguments: Any, files: Any = os, **named: Any) -> None:
        super().__init__(*arguments, files=_Without(files, fdatasync=lambda _fd: None), **named)


class NeverFlushesNames(LogWriter):
    """It flushes files, and not the folders that lead to them."""

    def __init__(self, *arguments: Any, files: Any = os, **named: Any) -> None:
        super().__init__(*arguments, files=_Without(files, fsync=lambda _fd: None), **named)


class FlushesAfterReply(LogWriter):
    """It acknowledges what is written, and flushes it before the next lines."""

    def _flush(self, data: bytes) -> None:
        pass

    def _commit(self, lines: Sequence[bytes]) -> None:
        if self.settings.fsync and self._place.opened is not None:
            self._place.sync()
        super()._commit(lines)


class RetriesFlush(LogWriter):
    """A failed flush is tried again, on the same descriptor."""

    def _flush(self, data: bytes) -> None:
        try:
            self._place.sync()
        except OSError:
            self._place.sync()


class WritesAgainWithoutCut(LogWriter):
    """After a failed flush it writes the lines to a fresh file, and leaves them where they were."""

    def __init__(self, *arguments: Any, files: Any = os, **named: Any) -> None:
        super().__init__(*arguments, files=_Without(files, ftruncate=lambda _fd, _size: None), **named)


class AcknowledgesBeforeWrite(LogWriter):
    """It replies as soon as lines wait."""

    def append(self, *lines: bytes) -> None:
        self._unwritten: list[bytes]
        waiting = self.__dict__.setdefault("_unwritten", [])
        if waiting:
            super().append(*waiting)
        self._unwritten = list(lines)


class AppendsToTornFile(LogWriter):
    """It writes behind whatever the file ends in."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        if isinstance(self._place, shared.SharedLog):
            self._place._cut_torn = lambda fd: os.fstat(fd).st_size


class TrustsWhatWasThere(LogWriter):
    """It takes what it finds in a shared file for what is on the disk."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        if isinstance(self._place, shared.SharedLog):
            self._place._sure = True


class _WritesOtherwise(LogWriter):
    """What stands in the file is not what is acknowledged and indexed."""

    otherwise: Callable[[bytes], bytes]

    def __init__(self, *arguments: Any, files: Any = os, **named: Any) -> None:
        super().__init__(*arguments, files=_Without(files, write=self._written(files)), **named)

    def _written(self, files: Any) -> Callable[[int, bytes], int]:
        def write(fd: int, data: bytes) -> int:
            files.write(fd, type(self).otherwise(data) if data.startswith(b'{"n":7,') else data)
            return len(data)

        return write


class WritesLinesTwice(_WritesOtherwise):
    """It writes one line twice."""

    otherwise = staticmethod(lambda data: data + data)


class LosesLines(_WritesOtherwise):
    """It acknowledges one line that it never wrote."""

    otherwise = staticmethod(lambda data: b"")


class GluesAfterShortWrite(LogWriter):
    """What a short write left is not cut."""

    def __init__(self, *arguments: Any, files: Any = os, **named: Any) -> None:
        super().__init__(*arguments, files=_Without(files, ftruncate=lambda _fd, _size: None), **named)
        if isinstance(self._place, shared.SharedLog):
            self._place._cut_torn = lambda fd: os.fstat(fd).st_size


class CutsWhatOthersWrote(LogWriter):
    """After a write that fails, it cuts back to where its own last lines end."""

    def __init__(self, *arguments: Any, files: Any = os, **named: Any) -> None:
        def ftruncate(fd: int, size: int) -> None:
            files.ftruncate(fd, min(size, self._mine))

        self._mine = 0
        super().__init__(*arguments, files=_Without(files, ftruncate=ftruncate), **named)

    def _commit(self, lines: Sequence[bytes]) -> None:
        super()._commit(lines)
        self._mine = self.path.stat().st_size


class SealsWithoutFlush(LogWriter):
    """It seals a segment that is not on the disk."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        if isinstance(self._place, folder.FolderLog):
            self._place._seal = _seal_without_flush


def _seal_without_flush(segment: folder.Segment) -> None:
    segment.index.add(Seal(bytes=segment.size, lines=segment._lines, crc=segment._crc))
    segment.index.sync()
    segment.close()


class CountsGapsTwice(LogWriter):
    """It takes a gap that it recorded for one that is open still."""

    def _end_gap(self, gap: Any) -> None:
        self._place.record(gap)
        super()._end_gap(gap)


class ForgetsGaps(LogWriter):
    """It counts a loss in memory only."""

    def _lost(self, count: int, error: OSError) -> None:
        super()._lost(count, error)
        self._place.settle()


class CutsNothingInRecovery(LogWriter):
    """Its recovery seals a segment as it is."""

    @staticmethod
    def recover(folder: Path, log: str, *, now: datetime, files: Any = os) -> Iterator[recovery.Recovered]:
        """Recover with a cut that only tells of it."""
        yield from recovery.recover(folder, log, now=now, files=_Without(files, ftruncate=lambda _fd, _size: None))


class RepairsLiveSegments(LogWriter):
    """Its recovery asks for no lock."""

    @staticmethod
    def recover(folder: Path, log: str, *, now: datetime, files: Any = os) -> Iterator[recovery.Recovered]:
        """Recover all that is not sealed, whoever is at it."""
        for path in segments(folder, log):
            content = indexes.read_ends(index_of(path))
            if content.sealed is None:
                yield recovery._Repair(path, os.open(path, os.O_RDWR | os.O_APPEND), content, now, files).run()


class HasAlwaysRoom(LogWriter):
    """It never says that it is busy."""

    @property
    def has_room(self) -> bool:
        """Whatever waits."""
        return True


class LeavesWhatWaits(LogWriter):
    """It ends without writing what waits."""

    def close(self) -> None:
        committer = self._committer
        if committer is not None:
            committer._commit = lambda _lines: None
        super().close()


class RefusesDamage(LogWriter):
    """It does not start beside a damaged segment."""

    def open(self) -> None:
        for path in Path(self.settings.path).glob("*.jsonl"):
            if path.is_dir() or not path.read_bytes().endswith(b"\n"):
                raise StorageError("damaged", where=str(path), found="no newline", hint="none")
        super().open()


CAUGHT_BY: dict[str, list[type[LogWriter]]] = {
    "p1 power cut in a folder": [NeverFlushes, NeverFlushesNames, FlushesAfterReply, AcknowledgesBeforeWrite],
    "p1 power cut in a file": [NeverFlushes, NeverFlushesNames, FlushesAfterReply, AcknowledgesBeforeWrite],
    "p1 killed in a folder": [AcknowledgesBeforeWrite],
    "p1 killed in a file": [AcknowledgesBeforeWrite],
    "p2 cut anywhere in a folder": [CutsNothingInRecovery],
    "p2 cut anywhere in a file": [AppendsToTornFile],
    "p2 another writer's fragment": [AppendsToTornFile],
    "p3 short write in a folder": [GluesAfterShortWrite],
    "p3 short write in a file": [GluesAfterShortWrite, CutsWhatOthersWrote],
    "p3 a cut that fails": [GluesAfterShortWrite],
    "p4 failed flush in a folder": [RetriesFlush, WritesAgainWithoutCut],
    "p4 failed flush in a file": [RetriesFlush, WritesAgainWithoutCut],
    "p4 killed after a failed flush in a file": [TrustsWhatWasThere],
    "p5 gap": [CountsGapsTwice, ForgetsGaps],
    "p5 gap and kill": [ForgetsGaps],
    "p6 a live segment": [RepairsLiveSegments],
    "p6 processes in a file": [AppendsToTornFile],
    "p7 sealed": [SealsWithoutFlush],
    "p7 killed at midnight": [AcknowledgesBeforeWrite],
    "p8 damaged folder": [RefusesDamage],
    "p9 close": [LeavesWhatWaits],
    "p10 slow disk": [HasAlwaysRoom],
    "p11 a loss is told": [WritesLinesTwice, LosesLines, CountsGapsTwice],
}
"""Which broken writers the test of each promise must catch."""


def recovery_of(writer: type[LogWriter]) -> Callable[..., Iterator[recovery.Recovered]]:
    """The recovery that belongs to a writer."""
    return getattr(writer, "recover", recovery.recover)


def promise(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Mark a test that takes ``writer``, a class. It passes with the real one, and fails with those meant for it."""

    def mark(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def run(*arguments: Any, writer: type[LogWriter], **named: Any) -> None:
            if writer is LogWriter:
                test(*arguments, writer=writer, **named)
                return
            with pytest.raises(BrokenPromiseError):
                test(*arguments, writer=writer, **named)

        setattr(run, "__signature__", inspect.signature(test))  # noqa: B010 - pytest reads it; a function has no such field
        every = [LogWriter, *CAUGHT_BY[name]]
        return pytest.mark.parametrize("writer", every, ids=[each.__name__ for each in every])(run)

    return mark
