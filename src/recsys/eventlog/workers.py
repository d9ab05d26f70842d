"""Work on all cores: processes that start without a hitch, and end with the program, however it ends.

The pools of the standard library hang, or print tracebacks, where a process is ended while they start another. Here
each process has one pipe to the program and shares nothing with the others: whoever is left sees the other's end.
"""

from __future__ import annotations

import gc
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from threading import current_thread, main_thread
from traceback import format_exc
from typing import Any, TypeVar

from recsys.errors import StorageError

Piece = TypeVar("Piece")
Result = TypeVar("Result")

ENDING = (signal.SIGINT, signal.SIGTERM)


def spread(work: Callable[[Piece], Result], pieces: Sequence[Piece], workers: int) -> Iterator[tuple[Piece, Result]]:
    """Each piece with what ``work``, a function of a module, makes of it, in the order in which they are done.

    What ``work`` raises is raised here. StorageError where the system ends a process, as it does when memory runs out.
    """
    workers = min(workers, len(pieces))
    if workers < 2:
        for piece in pieces:
            yield piece, work(piece)
        return
    try:
        with _team(work, workers) as pipes:
            yield from _shared_out(pieces, pipes)
    except (EOFError, ConnectionError):
        hint = "The machine may have run out of memory: look at its log, give it more, or give it fewer files."
        raise StorageError("a process that checks the logs was ended from outside", hint=hint) from None


def _shared_out(pieces: Sequence[Piece], pipes: Sequence[Connection]) -> Iterator[tuple[Piece, Any]]:
    waiting = iter(pieces)
    busy: dict[Connection, Piece] = {}

    def hand_out(pipe: Connection) -> None:
        for piece in waiting:
            busy[pipe] = piece
            pipe.send(piece)
            return

    for pipe in pipes:
        hand_out(pipe)
    while busy:
        ready = wait(list(busy))
        for pipe in [pipe for pipe in pipes if pipe in ready]:
            piece = busy.pop(pipe)
            result, error = pipe.recv()
            if error is not None:
                raise error
            hand_out(pipe)
            yield piece, result


@contextmanager
def _team(work: Callable[..., object], workers: int) -> Iterator[list[Connection]]:
    """The program's ends of the pipes. However the block ends, the processes end with it, amid their work too."""
    context = get_context("spawn")
    team: list[tuple[BaseProcess, Connection]] = []
    try:
        with _undisturbed():
            for _ in range(workers):
                here, there = context.Pipe()
                process = context.Process(target=_serve, args=(work, there), daemon=True)
                process.start()
                team.append((process, here))
                there.close()
        yield [pipe for _, pipe in team]
    finally:
        for process, _ in team:
            process.kill()
        for process, pipe in team:
            process.join()
            pipe.close()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Signals that end the program wait until the block is done: a process that is half started, nobody would end."""
    if current_thread() is not main_thread():
        yield  # signals interrupt the main thread only
        return
    asked: list[int] = []
    handlers = {number: signal.signal(number, lambda number, _: asked.append(number)) for number in ENDING}
    resource_tracker.ensure_running()  # the first process would start it, and it lets signals through again
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # for the processes, until they ignore it
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number in asked:
            signal.raise_signal(number)


def _serve(work: Callable[[Any], object], pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the program tells the person, and ends its workers
    # A worker holds one block of records, freed by reference counts: the cycle collector would only look on
    gc.disable()
    with suppress(EOFError, ConnectionError):  # the program was killed
        while True:
            piece = pipe.recv()
            try:
                answer = work(piece), None
            except Exception as error:
                error.add_note(format_exc())  # pickled, an error loses where it came from
                answer = None, error
            pipe.send(answer)
