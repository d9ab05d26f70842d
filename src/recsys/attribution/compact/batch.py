"""One batch: new lines of a role, validated, and its parts and bad lines made in the work folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace

from recsys.attribution.columns import Role
from recsys.attribution.compact.layout import invalid_path, part_path
from recsys.attribution.compact.manifest import Batch, Consumed, Part, batch_id
from recsys.attribution.compact.plan import COMPRESSED, Piece
from recsys.attribution.compact.publish import Folder
from recsys.attribution.compact.rows import Place, Rows, row_group_rows
from recsys.attribution.compact.survey import pieces as pieces_of
from recsys.attribution.sources import SCHEMAS
from recsys.errors import InputError, StorageError
from recsys.eventlog.accept import Accepted, RefusedLines, accept
from recsys.eventlog.faults import Fault
from recsys.eventlog.reader import localize, temporary
from recsys.eventlog.validation import Progress

Watch = Callable[[str], AbstractContextManager[Progress]]
"""Shows how far a step is: called with what is done; what it gives is called with (done, in all)."""


class Taken(Struct, kw_only=True):
    """A batch that is made, and the first faults of its lines, in the log's own lines."""

    batch: Batch
    faults: list[Fault] = field(default_factory=list)


def take(role: Role, batch: Sequence[Piece], folder: Folder, rows: Rows, scratch: Path, watch: Watch) -> Taken:
    """Make a batch. InputError for logs that change while they are read, or that hold other records; StorageError where
    there is no room."""
    with watch(f"checking {role}") as on_progress:
        accepted, places = _staged(role, batch, rows, scratch, on_progress)
    consumed = [
        Consumed(
            name=piece.identity, start=piece.surveyed.start, bytes=piece.surveyed.end, sha256=piece.surveyed.sha256,
            line=piece.surveyed.line, rows=part.rows, invalid=part.invalid,
            first_lines=piece.surveyed.first_lines,
        )
        for piece, part in zip(batch, accepted.inputs, strict=True)
    ]  # fmt: skip
    name = batch_id(role, consumed)
    group = row_group_rows(sum(part.bytes for part in accepted.inputs), accepted.rows)
    with watch(f"writing {role}") as on_progress:
        parts = list(_parts(role, name, places, folder, rows, group, on_progress))
    invalid = invalid_path(role, name) if accepted.invalid else None
    if invalid is not None:
        folder.write(invalid, _lines(accepted.refused))
    return Taken(
        batch=Batch(role=role, inputs=consumed, parts=sorted(parts, key=lambda part: part.path), invalid=invalid),
        faults=accepted.faults,
    )


def _parts(
    role: Role, name: str, places: Sequence[Place], folder: Folder, rows: Rows, group: int, on_progress: Progress
) -> Iterator[Part]:
    total, done = sum(place.rows for place in places), 0
    for place in places:
        path = part_path(role, place.values, place.day.isoformat(), name)
        rows.write(place, folder.room_for(path), group)
        yield folder.part(path, place.rows)
        done += place.rows
        on_progress(done, total)


def _staged(
    role: Role, batch: Sequence[Piece], rows: Rows, scratch: Path, on_progress: Progress
) -> tuple[Accepted, list[Place]]:
    """The lines of a batch, checked, and staged in ``rows``: from the logs themselves, or, where one of them grows
    meanwhile, from copies of what was surveyed."""
    for copied in (False, True):
        attempt = scratch / f"lines-{copied:d}"
        attempt.mkdir()
        files = [_file_of(piece, attempt / str(number), copied) for number, piece in enumerate(batch)]
        accepted = _accept(role, batch, files, attempt, on_progress)
        if all(_is_surveyed(piece, part) for piece, part in zip(batch, accepted.inputs, strict=True)):
            try:
                places = rows.stage(accepted.paths) if accepted.invalid < accepted.rows else []
            except InputError:
                if not _grown(accepted):
                    raise
            else:
                if not _grown(accepted):
                    _check_count(accepted, places, role)
                    return accepted, places
        shutil.rmtree(attempt)
    names = ", ".join(piece.name for piece in batch[:3])
    raise InputError("a log was changed while it was read", where=names, hint="Run it again: nothing was taken of it.")


def _file_of(piece: Piece, folder: Path, copied: bool) -> Path:
    """A plain file that holds the new lines of a log and nothing else: itself, if that is so, or a copy."""
    folder.mkdir()
    plain = piece.plain or localize(piece.log, folder)
    new = piece.surveyed
    if not copied and new.start == 0 and plain.stat().st_size == new.end and plain.suffix not in COMPRESSED:
        return plain
    target = folder / "new.jsonl"
    with temporary(target) as write:
        for chunk in pieces_of(plain, new.start, new.end):
            write(chunk)
    if plain.parent == folder:
        plain.unlink()
    return target


def _accept(
    role: Role, batch: Sequence[Piece], files: Sequence[Path], scratch: Path, on_progress: Progress
) -> Accepted:
    """Validate the files, and tell of them by the names and lines of the logs that they are of."""
    known = {str(file): piece for file, piece in zip(files, batch, strict=True)}
    try:
        accepted = accept(
            [str(file) for file in files],
            SCHEMAS[role],
            scratch=scratch,
            role=role,
            on_progress=on_progress,
            scores=True,
        )
    except InputError as error:
        if error.where not in known:
            raise
        name = known[error.where].name
        raise InputError(
            error.problem, where=name, found=error.found, expected=error.expected,
            hint=error.hint.replace(error.where, name),
        ) from None  # fmt: skip
    faults = [
        replace(fault, file=known[fault.file].name, line=fault.line + known[fault.file].surveyed.line - 1)
        for fault in accepted.faults
    ]
    return replace(accepted, faults=faults)


def _is_surveyed(piece: Piece, part) -> bool:  # noqa: ANN001 - contracts.report.Input
    return (part.bytes, part.sha256) == (piece.surveyed.new_bytes, piece.surveyed.new_sha256)


def _grown(accepted: Accepted) -> bool:
    return any(path.stat().st_size != size for path, size in zip(accepted.paths, accepted.sizes, strict=True))


def _check_count(accepted: Accepted, places: Sequence[Place], role: str) -> None:
    found, expected = sum(place.rows for place in places), accepted.rows - accepted.invalid
    if found != expected:
        told = f"{found:,} rows of {role}"
        raise StorageError("the engine read another number of lines", found=told, expected=f"{expected:,}")


def _lines(refused: Sequence[RefusedLines]) -> Iterator[bytes]:
    """The lines that are not valid, byte for byte."""
    for file in refused:
        for bad in file.bad:
            yield from pieces_of(file.plain, bad.offset, bad.offset + bad.length)
            yield b"\n"
