"""``recsys-eval compact``: JSONL logs as Parquet, in folders by tenant, surface and day."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recsys import console
from recsys.evaluation.cli import options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recsys.attribution.compact.compact import Done

_PLACES = (
    "JSONL: a file, a folder of them, a glob, .gz, .zst, a URL (s3://, gs://, az://, file://), or - for stdin; may be "
    "repeated"
)


def compact(
    output: Annotated[Path, typer.Option(help="The folder to write to: a new one, or one that was compacted into.")],
    exposures: Annotated[list[str] | None, typer.Option(help=f"Exposure logs, {_PLACES}.")] = None,
    outcomes: Annotated[list[str] | None, typer.Option(help="Outcome logs, the same.")] = None,
    assignments: Annotated[list[str] | None, typer.Option(help="Assignment logs, the same.")] = None,
    memory_limit: Annotated[
        str, typer.Option(help="What is sorted in memory, such as 500MB; the rest uses the temporary folder.")
    ] = "1GB",
) -> int:
    """Make Parquet of JSONL logs, in folders by tenant, surface and day, which every command reads in their place.

    Only lines that no earlier run took are read into the folder, whatever their files are called now; lines that are
    not valid are kept beside the others and counted. A run that was cut off is completed by the next one.

    Exits 0 when the folder holds valid rows of each log, else 1.

    **Examples**

        recsys-eval compact --exposures logs/exposure/ --outcomes logs/outcome/ --output compacted

        recsys-eval join --exposures compacted/exposures --outcomes compacted/outcomes
    """
    from recsys.attribution.compact.compact import Settings
    from recsys.attribution.compact.compact import compact as run
    from recsys.errors import UsageError

    if not (exposures or outcomes or assignments):
        raise UsageError("there is nothing to compact", expected="--exposures F, --outcomes F or --assignments F")
    done = run(
        {"exposures": exposures or [], "outcomes": outcomes or [], "assignments": assignments or []},
        output,
        watch=console.progress,
        settings=Settings(memory_limit=memory_limit),
    )
    _tell(done, output)
    if named := _options(done, output):
        sys.stdout.write(" ".join(named) + "\n")
    return 1 if any(not each.valid_rows for each in done) else 0


def _tell(done: Sequence[Done], output: Path) -> None:
    for each in done:
        options.tell_faults(each.faults, each.invalid)
        for path in each.invalid_files:
            sys.stderr.write(f"recsys-eval: invalid lines are kept in {output / path}\n")
        for name, rest in each.unfinished.items():
            told = f"the last line has no newline: its {rest:,} bytes are left until it has"
            sys.stderr.write(f"recsys-eval: {name}: {told}\n")
    for each in done:
        new = "nothing new"
        if each.rows or each.invalid:
            new = f"{_count(each.rows, 'row')} in {_count(each.parts, 'new part')}"
            new += f", {each.invalid:,} invalid" if each.invalid else ""
            new += f", nothing of {_count(each.unchanged, 'log')}" if each.unchanged else ""
        sys.stdout.write(f"{each.role}: {new}; {_count(each.valid_rows, 'row')} in all\n")


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _options(done: Sequence[Done], output: Path) -> list[str]:
    """What to give the other commands."""
    return [f"--{each.role} {shlex.quote(str(output / each.role))}" for each in done if each.valid_rows]
