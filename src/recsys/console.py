"""The edge of a command-line program: where errors become one message and an exit status.

Exit status: what the command returned (0 where it returned nothing), 1 for a usage or other error,
130 when interrupted, 141 when the reader of a pipe went away. Never a traceback for a RecsysError, and never 2 for a
usage error: 2 means "hold".
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer

from recsys import __version__
from recsys.errors import RecsysError

INTERRUPTED = 130
BROKEN_PIPE = 141


def run(app: typer.Typer, program: str, arguments: list[str] | None = None) -> int:
    """Run ``app`` with ``arguments`` (``sys.argv`` when None) and return its exit status."""
    try:
        status = app(arguments, prog_name=program, standalone_mode=False)
        sys.stdout.flush()
    except typer.TyperException as error:
        _tell(program, error.format_message(), f"Try `{program} --help`.")
        return 1
    except RecsysError as error:
        _tell(program, str(error))
        return 1
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of stdout is gone: nothing can be told, and the interpreter must not try again at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    return status if isinstance(status, int) else 0


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
