"""What happens to the segments of log folders while a service runs, in one pass: those of dead writers are repaired and
sealed, old ones are removed, and the others are compressed and moved to the archive, as the settings say.

One process at a time does it in a folder. Nothing here is in the way of a request, and nothing that goes wrong ends it:
it is told, and tried again with the next pass.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from recsys.eventlog.upkeep import pack, retention, ship, spent
from recsys.eventlog.writing import places, recovery
from recsys.eventlog.writing.writer import LogSettings
from recsys.objectstore import Store

PERIOD_S = 10.0
STOP_S = 5.0
LOCK = ".upkeep.lock"


class StoppedError(Exception):
    """A pass was ended between two pieces of a file."""


@contextmanager
def alone(folder: Path) -> Iterator[bool]:
    """Whether this process may change closed segments of a folder; no other one does while that is so."""
    fd = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, places.MODE)
    try:
        yield places.try_lock(fd)
    finally:
        os.close(fd)  # the file stays: who waits for a removed one would not be alone


class Upkeep:
    """The upkeep of the logs of one service. Those that are files are rotated by others; once a day, the indexes of
    rotated files that are gone are removed.

    Where there is an archive, a segment leaves the folder by being moved there, however old it is, and by nothing else:
    retention would remove what is in no archive yet. The archive is kept for as long as its own rules say: nothing here
    removes an object.
    """

    def __init__(
        self,
        logs: Mapping[str, LogSettings],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        files: Any = os,
        store: Callable[..., Any] = Store,
    ) -> None:
        self._logs = dict(logs)
        self._looked: dict[str, date] = {}
        self._clock = clock
        self._files = files
        self._store = store
        self._stop = threading.Event()

    def pass_once(self) -> list[str]:
        """Go once over all logs; returns what was repaired or removed, and what could not be done."""
        return list(self.messages())

    def messages(self) -> Iterator[str]:
        """The same, told as it happens: a store that does not answer keeps nothing back."""
        for log, settings in self._logs.items():
            one = self._one if settings.is_folder else self._file
            try:
                with closing(one(Path(settings.path), log, settings)) as messages:
                    for message in messages:
                        yield message
                        self._going()
            except StoppedError:
                break
            except Exception as error:  # whatever it is, the other logs are not in its way
                yield f"upkeep of the {log} log in {settings.path}: {_text(error)}"

    def stop(self) -> None:
        """End the pass that runs, and those that follow."""
        self._stop.set()

    def _going(self) -> None:
        if self._stop.is_set():
            raise StoppedError

    def _one(self, folder: Path, log: str, settings: LogSettings) -> Generator[str, None, None]:
        if not folder.is_dir():
            return
        with alone(folder) as is_alone:
            if not is_alone:
                return
            now = self._clock()
            for done in recovery.recover(folder, log, now=now, files=self._files):
                yield str(done)
            if settings.retention_days is not None and not settings.archive_url:
                yield from self._prune(folder, log, now, settings.retention_days)
            yield from pack.pack_closed(
                folder, log, files=self._files, begun_only=settings.compression == "none", going=self._going
            )
            if settings.archive_url:
                store = self._store(settings.archive_url, going=self._going)
                yield from ship.ship_closed(folder, log, store, files=self._files)

    def _file(self, path: Path, log: str, settings: LogSettings) -> Generator[str, None, None]:  # noqa: ARG002
        """Of a log that is one file. To tell which files are gone all its indexes are read: once a day is enough."""
        today = self._clock().date()
        if self._looked.get(log) != today and path.exists():
            self._looked[log] = today
            for index in spent.prune(path, files=self._files):
                yield f"{index}: the files that it tells of are gone; removed"

    def _prune(self, folder: Path, log: str, now: datetime, days: int) -> Iterator[str]:
        try:
            for path in retention.prune(folder, log, today=now.date(), keep_days=days, files=self._files):
                yield f"{path}: older than {days} days; removed"
        except OSError as error:
            yield f"upkeep of the {log} log in {folder}: old segments cannot be removed: {_text(error)}"


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__


class UpkeepThread:
    """Passes in a thread, one every ``period`` seconds. ``tell`` takes each message; one that is the same in the next
    pass is told once."""

    def __init__(self, upkeep: Upkeep, tell: Callable[[str], None], *, period: float = PERIOD_S) -> None:
        self._upkeep = upkeep
        self._tell = tell
        self._period = period
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-upkeep", daemon=True)

    def start(self) -> None:
        """Begin with the first pass."""
        self._thread.start()

    def stop(self, timeout: float = STOP_S) -> bool:
        """End, after the piece of a file that is being worked on; whether that took no longer than ``timeout`` seconds.
        Where it took longer the process may end all the same: the next one completes what was begun."""
        self._ended.set()
        self._upkeep.stop()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        before: set[str] = set()
        while not self._ended.is_set():
            told: set[str] = set()
            for message in self._upkeep.messages():
                told.add(message)
                if message not in before:
                    self._tell(message)
            before = told
            self._ended.wait(self._period)
