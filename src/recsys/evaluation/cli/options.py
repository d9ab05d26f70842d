"""Options that several commands share, spelt once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated

import typer

from recsys.eventlog.validation import Progress

HOLD = 2
"""The exit status of "the figures cannot be relied on": empty data, or a match rate under its minimum."""


class Format(StrEnum):
    """How results are printed on stdout."""

    TEXT = "text"
    JSON = "json"


_PLACES = "a file, a folder of .jsonl files, a glob, .gz, .zst, or - for stdin; may be repeated"
Exposures = Annotated[list[str] | None, typer.Option(help=f"Exposure log (exposure.v1): {_PLACES}.")]
Outcomes = Annotated[list[str] | None, typer.Option(help=f"Outcome log (outcome.v1): {_PLACES}.")]
Assignments = Annotated[list[str] | None, typer.Option(help=f"Assignment log (assignment.v1): {_PLACES}.")]
DatasetFile = Annotated[
    str | None, typer.Option("--dataset", help="YAML that names the logs, in place of the options.")
]
OutputFormat = Annotated[Format, typer.Option("--format", help="How the result is printed.")]
SliceKeys = Annotated[
    list[str] | None, typer.Option("--slice-key", help="Context key to slice by; may be repeated [tenant_id, surface].")
]


@contextmanager
def progress(what: str) -> Iterator[Progress]:
    """A progress bar of bytes on stderr, for a person at a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    messages = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Bar(*columns, console=messages, transient=True, disable=not messages.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        last = 0.0

        def on_progress(done: int, total: int) -> None:
            nonlocal last
            if done >= total or time.monotonic() - last > 0.1:
                last = time.monotonic()
                bar.update(task, completed=done, total=total)

        yield on_progress
