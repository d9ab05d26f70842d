"""The edge of a command-line program: where errors become one message and an exit status.

Exit status: what the command returned (0 where it returned nothing), 1 for a usage or other error,
130 when interrupted, 141 when the reader of a pipe went away. Never a traceback for a RecsysError, and never 2 for a
usage error: 2 means "hold".
"""

from __future__ import annotations

import os
import sys

import typer

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


def _tell(program: str, *parts: str) -> None:
    sys.stderr.write(f"{program}: {' '.join(part for part in parts if part)}\n")
