"""Services whose writers are broken on purpose, for tests that must see it: patches for the worker processes, by
name."""

import asyncio
import os
import tempfile
import threading
import time
from pathlib import Path

HOOK = """
import sys
if '--multiprocessing-fork' in sys.argv:
    sys.path.insert(0, {tests!r})
    import broken_service
    broken_service.{name}()
"""


def python_path(name: str) -> str:
    """What PYTHONPATH must hold, so that workers start with the patch ``name``."""
    folder = tempfile.mkdtemp(prefix="rs-broken-")
    Path(folder, "sitecustomize.py").write_text(HOOK.format(tests=str(Path(__file__).parent), name=name))
    return f"{folder}:{os.environ.get('PYTHONPATH', '')}"


def never_flushes() -> None:
    """Says that it flushed."""
    from recsys.eventlog.writing.writer import LogWriter

    LogWriter._flush = lambda self, data: None


def flushes_after_the_reply() -> None:
    """Flushes, too late."""
    from recsys.eventlog.writing.writer import LogWriter

    LogWriter._flush = lambda self, data: threading.Timer(0.02, self._place.sync).start()


def writes_after_the_reply() -> None:
    """Answers first and logs later."""
    from recsys.eventlog.writing.writer import LogWriter

    write = LogWriter.append_durable

    async def later(self, *lines: bytes) -> None:
        asyncio.get_running_loop().call_later(0.05, lambda: asyncio.ensure_future(write(self, *lines)))

    LogWriter.append_durable = later


def slow_disk() -> None:
    """Not broken: a disk that takes a quarter of a second for each flush."""
    flush = os.fdatasync

    def slowly(fd: int) -> None:
        time.sleep(0.25)
        flush(fd)

    os.fdatasync = slowly


def forgets_on_full_disk() -> None:
    """Says logged, though the write failed."""
    from recsys.eventlog.writing.writer import LogWriter

    commit = LogWriter._commit

    def quietly(self, lines) -> None:
        try:
            commit(self, lines)
        except Exception:
            return

    LogWriter._commit = quietly


def keeps_to_the_renamed_file() -> None:
    """Writes on into the file that logrotate renamed, until it is compressed under its hands."""
    from recsys.eventlog.writing import places

    places.leads_to = lambda path, fd: True


def loses_what_waits() -> None:
    """Leaves without writing what waits."""
    from recsys.eventlog.writing.writer import LogWriter

    async def now(self, *lines: bytes) -> None:
        self.__dict__.setdefault("_kept_lines", []).extend(lines)
        if len(self._kept_lines) >= 50:
            self._commit(self._kept_lines)
            self._kept_lines = []

    LogWriter.append_durable = now
