"""``recsys-service log verify``, ``repair``, ``stat`` and ``tail``. No database is needed, and none is made."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recsys import console
from recsys.service.cli import log_erase, log_places, log_text

if TYPE_CHECKING:
    from recsys.eventlog.audit.verify import Checked
    from recsys.service.cli.log_places import Place

log = typer.Typer(no_args_is_help=True, help="Verify, repair and look at the exposure, outcome and assignment logs.")

FAULTS = 3


class Kind(StrEnum):
    """The logs that a service writes."""

    EXPOSURE = "exposure"
    OUTCOME = "outcome"
    ASSIGNMENT = "assignment"


class Format(StrEnum):
    """How results are printed."""

    TEXT = "text"
    JSON = "json"


log.command("erase")(log_erase.erase)

Paths = Annotated[
    list[Path] | None, typer.Argument(help="Folders or files of logs; without any, those of the environment.")
]
Only = Annotated[Kind | None, typer.Option("--log", help="Only this log.")]
As = Annotated[Format, typer.Option("--format", help="text, or json for programs.")]


@log.command("verify")
def verify(paths: Paths = None, only: Only = None, output: As = Format.TEXT) -> int:
    """Compare logs with their indexes, and name each byte range that is not as it was written.

    Exits 3 where there is a fault, 0 where there is none. Gaps are losses that the log itself recorded, and lines that
    a writer could not index any more are notes: neither is a fault. A service may write meanwhile.

    **Examples**

        recsys-service log verify
        recsys-service log verify logs/ --log exposure --format json
        recsys-service log verify exposures.jsonl.1
    """
    found = []
    for place in log_places.places(paths or [], only):
        with console.progress(f"{place.log} log") as on_progress:
            checked = list(_verified(place, _Progress(place.bytes(), on_progress)))
        found.append(log_text.Verified.of(place.log, str(place.path), checked))
        if output is Format.TEXT:
            sys.stdout.write(log_text.verified(found[-1]))
    if output is Format.JSON:
        sys.stdout.write(log_text.as_json({"logs": found}))
    return FAULTS if any(each.faults for each in found) else 0


class _Progress:
    """Adds up how far the reading of one file after the other is."""

    def __init__(self, total: int, on_progress: Callable[[int, int], None]) -> None:
        self._total = max(total, 1)
        self._on_progress = on_progress
        self._done = self._at = 0

    def __call__(self, at: int) -> None:
        if at < self._at:  # another file, or once more from where a difference was met
            self._done += self._at
        self._at = at
        self._on_progress(min(self._done + at, self._total), self._total)


def _verified(place: Place, on_bytes: Callable[[int], None]) -> Iterator[Checked]:
    from recsys.eventlog.audit import verify as verifying

    if place.is_folder:
        return verifying.verify_folder(place.path, place.log, archived=place.archived, on_bytes=on_bytes)
    if place.is_segment:
        return iter([verifying.verify_segment(place.path, on_bytes=on_bytes)])
    if place.is_rotated:
        return iter([verifying.verify_file(place.path, on_bytes=on_bytes)])
    return verifying.verify_log(place.path, on_bytes=on_bytes)


@log.command("repair")
def repair(
    paths: Paths = None,
    only: Only = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell what would be done, and change nothing.")] = False,
    output: As = Format.TEXT,
) -> None:
    """Repair what a crash left: cut unfinished records (they are kept in *.torn), complete indexes, close segments.

    What a running service holds is left alone. The service does the same for folders while it runs.

    **Examples**

        recsys-service log repair --dry-run
        recsys-service log repair logs/
        recsys-service log repair exposures.jsonl
    """
    from recsys.service.cli import log_repair

    now = datetime.now(UTC)
    done = [
        each
        for place in log_places.places(paths or [], only)
        for each in log_repair.repaired(place, now=now, dry_run=dry_run)
    ]
    if output is Format.JSON:
        sys.stdout.write(log_text.as_json({"dry_run": dry_run, "files": done}))
        return
    for each in done:
        sys.stdout.write(f"{each}\n")
    if not done:
        sys.stdout.write("nothing to repair\n")


@log.command("stat")
def stat(paths: Paths = None, only: Only = None, output: As = Format.TEXT) -> None:
    """Show what logs consist of: files, lines, bytes, times, writers, gaps, torn tails, room on the disk.

    Lines are counted by the indexes; no log is read.

    **Examples**

        recsys-service log stat
        recsys-service log stat logs/ --format json
    """
    from recsys.eventlog.audit import status

    now = datetime.now(UTC)
    found = [
        status.of_folder(place.path, place.log, now=now) if place.is_folder
        else status.of_file(place.path, place.log, now=now)
        for place in log_places.places(paths or [], only)
    ]  # fmt: skip
    sys.stdout.write(log_text.as_json({"logs": found}) if output is Format.JSON else log_text.table(found))


@log.command("tail")
def tail(
    paths: Paths = None,
    only: Only = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many lines to begin with.")] = 10,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines, until interrupted.")] = False,
) -> None:
    """Print the newest lines of a log over all its writers, in the order of writing.

    With --follow it goes on over rotated files and new segments, until Ctrl-C.

    **Examples**

        recsys-service log tail
        recsys-service log tail logs/ --log outcome -n 100
        recsys-service log tail -f | jq .request_id
    """
    from recsys.eventlog.audit import tail as tailing

    place = log_places.one(paths or [], only)
    with closing(tailing.Follower(place.path, place.log)) as follower:
        _print(tailing.newest(place.path, place.log, lines))
        if follow:
            for line in follower.lines():
                _print([line])


def _print(lines: list[bytes]) -> None:
    for line in lines:
        sys.stdout.write(line.decode("utf-8", "replace"))
    sys.stdout.flush()
