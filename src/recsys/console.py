"""The edge of a command-line program: where errors become one message and an exit status.

Exit status: what the command returned (0 where it returned nothing), 1 for a usage or other error,
130 when interrupted, 143 when asked to end (SIGTERM), 141 when the reader of a pipe went away. Never a traceback for
what the person or the machine can mend, and never 2 for a usage error: 2 means "hold".
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

import typer

from recsys import __version__
from recsys.errors import RecsysError, StorageError

INTERRUPTED = 130
BROKEN_PIPE = 141


class _EndedError(BaseException):
    """A signal asked the program to end. No command catches it: temporary files are removed on the way out."""


def run_and_exit(app: typer.Typer, program: str) -> NoReturn:
    """Run ``app`` as a process of its own, which SIGINT and SIGTERM end in order whatever it is doing.

    Not for servers, which have handlers of their own.
    """
    asked: list[int] = []

    signals = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) is not signal.SIG_IGN]

    def end(number: int, _frame: FrameType | None) -> None:
        asked.append(number)
        # A second signal must interrupt neither the cleaning up nor the interpreter's end
        for other in signals:
            signal.signal(other, signal.SIG_IGN)
        if len(asked) == 1:
            raise _EndedError

    for number in signals:
        signal.signal(number, end)
    status = 1
    try:
        status = run(app, program, ended=asked)
    except BaseException:
        if not asked:
            raise
    sys.exit(128 + asked[0] if asked else status)


def run(app: typer.Typer, program: str, arguments: list[str] | None = None, *, ended: Collection[int] = ()) -> int:
    """Run ``app`` with ``arguments`` (``sys.argv`` when None) and return its exit status.

    Once ``ended`` is not empty, no error is told: an engine that is interrupted reports errors of its own.
    """
    try:
        status = app(arguments, prog_name=program, standalone_mode=False)
        sys.stdout.flush()
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else program
        _tell(program, error.format_message() or "No command is given.", f"Try `{command} --help`.")
        return 1
    except BrokenPipeError:
        return _reader_is_gone()
    except (RecsysError, OSError) as error:
        if not ended:
            _tell(program, str(error if isinstance(error, RecsysError) else _of_the_machine(error)))
        return 1
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except SystemExit as error:  # what the library makes of a broken pipe
        if isinstance(error.__context__, BrokenPipeError):
            return _reader_is_gone()
        raise
    return status if isinstance(status, int) else 0


def _reader_is_gone() -> int:
    # Nothing can be told on stdout, and the interpreter must not try again at its exit
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return BROKEN_PIPE


def _of_the_machine(error: OSError) -> StorageError:
    """What the operating system refuses, in words."""
    hint = ""
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        hint = "The disk is full: free space, or set TMPDIR to a folder with more room."
    elif "temporary directory" in str(error):
        hint = "Let TMPDIR name a folder that can be written."
    return StorageError(error.strerror or str(error), where=str(error.filename or ""), hint=hint)


def version_option(program: str) -> Any:
    """The option ``--version`` of a program."""

    def tell(wanted: bool) -> None:
        if wanted:
            sys.stdout.write(f"{program} {__version__}\n")
            raise typer.Exit

    return typer.Option("--version", callback=tell, is_eager=True, help="Print the version.")


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr, for a person at a terminal; nothing elsewhere. Called with (done, in all)."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    messages = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=messages, transient=True, disable=not messages.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        last = 0.0

        def on_progress(done: int, total: int) -> None:
            nonlocal last
            if done >= total or time.monotonic() - last > 0.1:
                last = time.monotonic()
                bar.update(task, completed=done, total=total)

        yield on_progress


def _tell(program: str, *parts: str) -> None:
    sys.stderr.write(f"{program}: {' '.join(part for part in parts if part)}\n")
