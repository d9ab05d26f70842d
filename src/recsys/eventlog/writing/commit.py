"""Group commit: one thread writes and flushes everything that waits at once, then tells all who wait in one hand-over.

No timer and no fixed batch: while one flush runs, the next batch gathers.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future

from msgspec import Struct

from recsys.errors import StorageError

Waiter = asyncio.Future[None] | Future[None]


class _Entry(Struct, frozen=True, gc=False):
    lines: list[bytes]
    size: int
    done: Waiter


class Committer:
    """The one thread that commits. ``commit`` takes all lines of a batch, and raises where none of them
    is in the log."""

    def __init__(self, commit: Callable[[list[bytes]], None]) -> None:
        self._commit = commit
        self._queue: queue.SimpleQueue[_Entry | Callable[[], None] | None] = queue.SimpleQueue()
        self._counting = threading.Lock()
        self._closed = False
        self._put_lines = self._put_bytes = 0
        self._done_lines = self._done_bytes = 0
        self._thread = threading.Thread(target=self._run, name="log-commit", daemon=True)
        self._thread.start()

    @property
    def lines(self) -> int:
        """Lines that wait, or are being written."""
        return self._put_lines - self._done_lines

    @property
    def bytes(self) -> int:
        """Their bytes."""
        return self._put_bytes - self._done_bytes

    async def submit(self, lines: list[bytes]) -> None:
        """Wait until the lines are committed; raises what the commit raised."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._put(lines, done)
        await done

    def submit_and_wait(self, lines: list[bytes]) -> None:
        """The same for who has no event loop."""
        done: Future[None] = Future()
        self._put(lines, done)
        done.result()

    def call(self, function: Callable[[], None]) -> None:
        """Have the thread call a function between two batches."""
        self._queue.put(function)

    def close(self) -> None:
        """Commit what waits and end the thread. Who comes later gets a StorageError, and waits for nothing."""
        with self._counting:
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    def _put(self, lines: list[bytes], done: Waiter) -> None:
        size = sum(map(len, lines)) + len(lines)
        with self._counting:
            if self._closed:
                raise StorageError("the log is closed", hint="The service is about to end: try again later.")
            self._put_lines += len(lines)
            self._put_bytes += size
            self._queue.put(_Entry(lines, size, done))

    def _run(self) -> None:
        last = False
        while not last:
            entries = [self._queue.get()]
            while not self._queue.empty():
                entries.append(self._queue.get())
            batch: list[_Entry] = []
            for entry in entries:
                if entry is None:
                    last = True
                elif isinstance(entry, _Entry):
                    batch.append(entry)
                else:
                    with contextlib.suppress(BaseException):  # whatever it was, lines wait for this thread
                        entry()
            if batch:
                self._commit_batch(batch)

    def _commit_batch(self, batch: list[_Entry]) -> None:
        failure: BaseException | None = None
        try:
            self._commit([line for entry in batch for line in entry.lines])
        except BaseException as error:  # whatever it was, who waits is told
            failure = error
        self._done_lines += sum(len(entry.lines) for entry in batch)
        self._done_bytes += sum(entry.size for entry in batch)
        by_loop: dict[asyncio.AbstractEventLoop, list[Waiter]] = {}
        for entry in batch:
            if isinstance(entry.done, Future):
                _resolve([entry.done], failure)
            else:
                by_loop.setdefault(entry.done.get_loop(), []).append(entry.done)
        for loop, waiters in by_loop.items():
            with contextlib.suppress(RuntimeError):  # that loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_resolve, waiters, failure)


def _resolve(waiters: list[Waiter], failure: BaseException | None) -> None:
    for done in waiters:
        if done.done():
            continue
        if failure is None:
            done.set_result(None)
        else:
            done.set_exception(failure)
