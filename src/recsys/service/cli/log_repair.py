"""What ``recsys-service log repair`` does to a log, or would do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from recsys.eventlog.audit import layout, mend
from recsys.eventlog.audit.mend import Mended
from recsys.eventlog.audit.verify import verify_segment
from recsys.eventlog.upkeep.retention import closed
from recsys.eventlog.writing import recovery, swap
from recsys.eventlog.writing.recovery import Recovered
from recsys.eventlog.writing.segment import index_of, segments
from recsys.service.cli.log_places import Place


class Planned(Struct, frozen=True, kw_only=True):
    """A segment that would be repaired."""

    path: Path
    notes: list[str]

    def __str__(self) -> str:
        return f"{self.path}: {'; '.join([*self.notes, 'would be sealed'])}"


Done = Recovered | Mended | Planned


def repaired(place: Place, *, now: datetime, dry_run: bool) -> Iterator[Done]:
    """Repair a log; what was done to each of its files that needed it. OSError where it cannot be written."""
    if place.is_folder:
        if dry_run:
            yield from _planned(place)
        else:
            yield from recovery.recover(place.path, place.log, now=now)
    elif place.is_segment:
        if dry_run:
            yield from _plan(place.path)
        elif (done := recovery.recover_segment(place.path, now=now)) is not None:
            yield done
    else:
        if not dry_run:
            swap.finish(place.path.parent)
        yield mend.mend(place.path, log=place.log, now=now, dry_run=dry_run)


def _planned(place: Place) -> Iterator[Planned]:
    for path in segments(place.path, place.log):
        if path.suffix == ".jsonl":
            yield from _plan(path)


def _plan(path: Path) -> Iterator[Planned]:
    """What would be done to a segment: nothing where it is sealed, or a writer holds it."""
    scan = layout.scan(index_of(path))
    sealed = any(section.seal is not None for section in scan.sections)
    if sealed or (not scan.size and not path.stat().st_size):
        return
    with closed(path) as is_closed:
        if is_closed:
            found = verify_segment(path)
            yield Planned(path=path, notes=[*found.notes, *map(str, found.faults)])
