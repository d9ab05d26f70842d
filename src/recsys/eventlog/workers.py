"""Work on all cores: processes that start without a hitch, and end with the program, however it ends."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import TypeVar

from recsys.errors import StorageError

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def spread(work: Callable[[Piece], Result], pieces: Sequence[Piece], workers: int) -> Iterator[tuple[Piece, Result]]:
    """Each piece with what ``work``, a function of a module, makes of it, in the order in which they are done.

    StorageError where the system ends a process, as it does when memory runs out.
    """
    workers = min(workers, len(pieces))
    if workers < 2:
        for piece in pieces:
            yield piece, work(piece)
        return
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_start_worker)
    try:
        # A signal interrupts the main thread only: not amid the start of a process, which nobody would end
        with ThreadPoolExecutor(1, initializer=_hold_back_interrupts) as starter:
            waiting = starter.submit(lambda: {pool.submit(work, piece): piece for piece in pieces}).result()
        for future in as_completed(waiting):
            yield waiting[future], future.result()
    except BrokenProcessPool:
        hint = "The machine may have run out of memory: look at its log, give it more, or give fewer files at a time."
        raise StorageError("a process that checks the logs was ended from outside", hint=hint) from None
    finally:
        pool.shutdown(cancel_futures=True)  # an interrupt does not wait for the rest of the file


def _hold_back_interrupts() -> None:
    """Of this thread, and of the processes that it starts, until they ignore interrupts by themselves."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent tells the person, and ends its workers
    Thread(target=_end_with_parent, daemon=True).start()
    # A worker holds one block of records, freed by reference counts: the cycle collector would only look on.
    gc.disable()


def _end_with_parent() -> None:
    """A worker holds both ends of its queue, and would wait for ever for a parent that was killed."""
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)
