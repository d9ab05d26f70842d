"""Options that several commands share, spelt once."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from recsys.eventlog.faults import Fault

HOLD = 2
"""The exit status of "the figures cannot be relied on": empty data, or a match rate under its minimum."""
STATUS = {"pass": 0, "ship": 0, "hold": HOLD, "rollback": 3, "fail": 3}
"""Exit status of a verdict."""


class Format(StrEnum):
    """How results are printed on stdout."""

    TEXT = "text"
    JSON = "json"


_PLACES = (
    "a JSONL or Parquet file, a folder of them, a glob, .gz, .zst, a URL (s3://, gs://, az://, file://), "
    "or - for stdin; may be repeated"
)
Exposures = Annotated[
    list[str] | None, typer.Option(help=f"Exposure log (exposure.v1, service_v1, or both): {_PLACES}.")
]
Outcomes = Annotated[list[str] | None, typer.Option(help=f"Outcome log (outcome.v1): {_PLACES}.")]
Assignments = Annotated[list[str] | None, typer.Option(help=f"Assignment log (assignment.v1): {_PLACES}.")]
DatasetFile = Annotated[
    str | None,
    typer.Option("--dataset", help="YAML that names the logs, or asks databases for them, in place of the options."),
]
OutputFormat = Annotated[Format, typer.Option("--format", help="How the result is printed.")]
SliceKeys = Annotated[
    list[str] | None, typer.Option("--slice-key", help="Context key to slice by; may be repeated [tenant_id, surface].")
]


def tell_faults(faults: Sequence[Fault], invalid: int) -> None:
    """The first faults on stderr, and how many of the ``invalid`` rows they are not about."""
    for fault in faults:
        sys.stderr.write(f"{fault}\n")
    untold = invalid - len({(fault.file, fault.line) for fault in faults})
    if untold > 0:
        sys.stderr.write(f"recsys-eval: {untold:,} more rows are invalid: `recsys-eval validate` lists every fault\n")
