"""A small world around log writers on a ``model_files.Disk``: it appends, kills, cuts the power, recovers, and keeps
the books of what was acknowledged."""

import contextlib
import json
import random
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from broken_writers import BrokenPromiseError, recovery_of
from model_files import Crash, Disk, Process
from recsys.errors import StorageError
from recsys.eventlog.writing import index as indexes
from recsys.eventlog.writing.recovery import Recovered
from recsys.eventlog.writing.segment import INDEX, segments
from recsys.eventlog.writing.shared import indexes_of
from recsys.eventlog.writing.writer import LogSettings, LogWriter

NOON = datetime(2026, 2, 5, 12, tzinfo=UTC)


class World:
    """Writers of one log on one disk. ``folder``: whether the log is a folder of segments, or one file."""

    def __init__(self, base: Path, writer: type[LogWriter], *, folder: bool, **settings: Any) -> None:
        self.logs = base / "logs"
        self.logs.mkdir(parents=True)
        self.folder = folder
        self.path = self.logs if folder else self.logs / "log.jsonl"
        self.disk = Disk(self.logs, base / "side")
        self.now = NOON
        self.acknowledged: list[bytes] = []
        self.refused: list[bytes] = []
        self.made = 0
        self._kind = writer
        self.settings = LogSettings(path=f"{self.path}/" if folder else str(self.path), **settings)
        self.processes: dict[LogWriter, Process] = {}

    def start(self) -> LogWriter:
        """A writer in a process of its own; not open yet."""
        process = self.disk.process()
        name = f"w{len(self.processes)}"
        log = self._kind(self.settings, log="exposure", writer=name, clock=self._clock, files=process)
        self.processes[log] = process
        log.open()
        return log

    def _clock(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def new_lines(self, count: int) -> list[bytes]:
        """Records that nobody wrote yet."""
        self.made += count
        return [b'{"n":%d,"x":"%s"}' % (n, b"x" * (n * 7 % 40)) for n in range(self.made - count, self.made)]

    def append(self, log: LogWriter, count: int = 1) -> bool:
        """Append so many new lines; whether they were acknowledged."""
        lines = self.new_lines(count)
        try:
            log.append(*lines)
        except StorageError:
            self.refused += lines
            return False
        self.acknowledged += lines
        return True

    def kill(self, *logs: LogWriter) -> None:
        """kill -9; all of them where none is named."""
        for log in logs or tuple(self.processes):
            process = self.processes[log]
            if not process.dead or process._open:
                process.kill()
                with contextlib.suppress(Crash):
                    log.close()
                for thread in getattr(log._place, "_sealing", ()):
                    thread.join()

    def power_cut(self, seed: int) -> None:
        """All are killed, and the disk forgets."""
        self.kill()
        self.disk.power_cut(random.Random(seed))

    def recover(self) -> list[Recovered]:
        """What is done when the service starts anew."""
        if self.folder:
            process = self.disk.process()
            try:
                return list(recovery_of(self._kind)(self.logs, "exposure", now=self._clock(), files=process))
            finally:
                process.kill()
        log = self.start()
        log.close()
        return []

    def files(self) -> list[Path]:
        """The files that hold the log's lines."""
        if self.folder:
            return segments(self.logs, "exposure")
        found = [path for path in self.logs.iterdir() if path.name.startswith("log.")]
        return [path for path in sorted(found) if not path.name.endswith((INDEX, ".torn"))]

    def lines(self) -> list[bytes]:
        """All lines of the log; what follows the last newline of a file is one of them."""
        parts = [path.read_bytes().split(b"\n") for path in self.files()]
        return [line for part in parts for line in (part if part[-1] else part[:-1])]

    def gaps(self) -> list[indexes.Gap]:
        """The gaps that are recorded."""
        found = self.logs.glob(f"*{INDEX}") if self.folder else indexes_of(self.path)
        return [gap for path in sorted(found) for gap in indexes.read(path).of(indexes.Gap)]

    def pending(self) -> int:
        """What the gaps count that are not over."""
        headers = [indexes.read(path).header for path in self.logs.glob(f"*{INDEX}")]
        return sum(getattr(header.pending, "count", 0) for header in headers if header is not None)

    def check(self, *, whole: bool = True) -> None:
        """Every acknowledged line is there once, and no other twice; with ``whole`` nothing but records is there."""
        there = Counter(self.lines())
        for line in self.acknowledged:
            claim(there[line] == 1, f"acknowledged and there {there[line]} times: {line!r}")
        for line, times in there.items():
            if _is_record(line):
                claim(times == 1, f"there {times} times: {line!r}")
            else:
                claim(not whole, f"no record: {line!r}")
        claim(not self.disk.distrusted, "; ".join(self.disk.distrusted))


def claim(holds: bool, otherwise: str) -> None:
    """BrokenPromiseError where it does not hold."""
    if not holds:
        raise BrokenPromiseError(otherwise)


def _is_record(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


@contextlib.contextmanager
def killed_threads() -> Iterator[None]:
    """Threads of a killed process end as it does: without a word."""
    before = threading.excepthook

    def hook(arguments: threading.ExceptHookArgs) -> None:
        if not isinstance(arguments.exc_value, Crash):
            before(arguments)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = before
