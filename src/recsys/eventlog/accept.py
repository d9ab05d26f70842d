"""What reaches an engine: files of accepted lines only, and an account of the others."""

from __future__ import annotations

import tempfile
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Literal

from msgspec import Struct

from recsys.contracts.report import Input
from recsys.contracts.types import MAX_LINE_BYTES
from recsys.errors import InputError
from recsys.eventlog.checks import recognise
from recsys.eventlog.faults import Fault
from recsys.eventlog.mixed import EXPOSURE, SERVICE
from recsys.eventlog.ranges import BadLine, Converted
from recsys.eventlog.reader import beside, expand_all, temporary
from recsys.eventlog.validation import LOOKED_AT_LINES, FileValidation, Progress, validate

COPY_BYTES = 4 << 20
SHOWN_FAULTS = 5

Role = Literal["exposures", "outcomes", "assignments", "items"]


class Origin(Struct, frozen=True):
    """Where the lines of a file of valid lines come from: ``file`` as a person knows it, its line ``first`` (1-based)
    and those after it, but for the lines ``bad``, which are left out."""

    file: str
    first: int = 1
    bad: tuple[int, ...] = ()

    def line(self, number: int) -> int:
        """The line of ``file`` that is the 1-based line ``number`` of the file of valid lines."""
        before = bisect_right(range(len(self.bad)), number - 1, key=lambda place: self.bad[place] - self.first - place)
        return self.first + number - 1 + before


class RefusedLines(Struct, frozen=True):
    """The lines of ``file``, as a person knows it, that are not valid; ``plain`` is where they can be read."""

    file: str
    plain: Path
    bad: list[BadLine]


class Accepted(Struct, frozen=True, kw_only=True):
    """``paths`` hold only valid lines, in plain JSONL: the files themselves, or copies without their bad lines.

    ``sizes``: the bytes of each that were checked; a log that is still written to may have grown since.
    ``origins``: of each path, where its lines come from.
    ``logs``: of each input, the file beside which its indexes stand here.
    """

    paths: list[Path]
    sizes: list[int]
    origins: list[Origin]
    logs: list[Path]
    inputs: list[Input]
    rows: int
    invalid: int
    faults: list[Fault]
    refused: list[RefusedLines]


def accept(
    specs: Sequence[str],
    schema: str,
    *,
    scratch: Path,
    role: Role,
    on_progress: Progress | None = None,
    max_faults: int = SHOWN_FAULTS,
    name: str = "",
    scores: bool = False,
) -> Accepted:
    """Validate the logs named by ``specs`` (see ``reader.expand``) and hand on what is valid.

    For exposures lines of ``service_v1`` are valid as well, and handed on as ``exposure.v1`` (``convert``); with
    ``scores`` their items have a ``score`` beside what that record knows. A file in
    which every line is bad, and looks like another record, is an InputError that names the record. ``name``: what one
    file is called in what is told, where its own name says nothing to a person.
    """
    paths = expand_all(specs)
    both = role == "exposures"
    folder = Path(tempfile.mkdtemp(prefix=f"{role}-", dir=scratch))
    files = validate(
        paths, schema, scratch=scratch, hashes=True, max_faults=max_faults, on_progress=on_progress,
        convert_into=folder if both else None, scores=scores,
    )  # fmt: skip
    for file in files:
        file.rename(name or file.name)
        refuse_another_record(file, schema, SERVICE if both else schema)
    stretches = [part for number, file in enumerate(files) for part in _accepted(file, folder / f"valid-{number}")]
    return Accepted(
        paths=[path for path, _, _ in stretches],
        sizes=[size for _, size, _ in stretches],
        origins=[origin for _, _, origin in stretches],
        logs=[beside(path, file.plain) for path, file in zip(paths, files, strict=True)],
        inputs=[
            Input(role=role, path=file.name, bytes=file.bytes, sha256=file.sha256, rows=file.rows, invalid=file.invalid)
            for file in files
        ],
        rows=sum(file.rows for file in files),
        invalid=sum(file.invalid for file in files),
        faults=[fault for file in files for fault in file.faults],
        refused=[RefusedLines(file.name, file.plain, file.bad) for file in files if file.bad],
    )


def refuse_another_record(file: FileValidation, schema: str, also: str = "") -> None:
    """InputError for a file without a valid line that begins with another record than ``schema`` or ``also``."""
    if not file.rows or file.invalid < file.rows:
        return
    with file.plain.open("rb") as content:
        lines = islice(iter(lambda: content.readline(MAX_LINE_BYTES), b""), LOOKED_AT_LINES)
        seen = next(filter(None, map(recognise, lines)), None)
    if seen is None or seen in {schema, also}:
        return
    hint = "Check which file goes with which option; of a folder of several logs give a glob: 'logs/exposure-*.jsonl'."
    if seen == SERVICE and schema == EXPOSURE:
        hint = f"As --exposures it is read as it is. To make {EXPOSURE} of it: recsys-eval convert --input {file.name}"
    elif seen == EXPOSURE and schema == SERVICE:
        hint = "It is what `convert` makes: use it as it is."
    raise InputError("not a log of this kind", where=file.name, found=f"{seen} records", expected=schema, hint=hint)


def _accepted(file: FileValidation, target: Path) -> list[tuple[Path, int, Origin]]:
    """The valid lines of a file, as files with their sizes and origins: the file itself where all of its lines are
    valid; the stretches that were converted, and copies of the others without their bad lines."""
    bad = [line.line for line in file.bad]

    def part(path: Path, first: int, until: int, size: int | None = None) -> tuple[Path, int, Origin]:
        there = bad[bisect_left(bad, first) : bisect_left(bad, until)]
        return path, path.stat().st_size if size is None else size, Origin(file.name, first, tuple(there))

    if not file.bad and not file.converted:
        return [part(file.plain, 1, 1, file.bytes)]
    parts, at, line = [], 0, 1
    last = Converted(target, file.bytes, file.bytes, file.rows + 1, file.rows + 1)
    for number, made in enumerate([*file.converted, last]):
        if made.start > at:
            parts.append(part(_copy_of_valid(file, at, made.start, Path(f"{target}-{number}.jsonl")), line, made.line))
        at, line = made.end, made.end_line
        if made is not last:
            parts.append(part(made.path, made.line, line))
    return parts


def _copy_of_valid(file: FileValidation, start: int, end: int, target: Path) -> Path:
    """The bytes [start, end) of a file, which are whole lines, without the bad lines among them."""
    with file.plain.open("rb") as source, temporary(target) as write:
        for bad in islice(file.bad, bisect_left(file.bad, start, key=lambda line: line.offset), None):
            if bad.offset >= end:
                break
            _copy(source, write, start, bad.offset - start)
            start = bad.offset + bad.length + 1
        _copy(source, write, start, max(end - start, 0))
    return target


def copy_of_checked(path: Path, size: int, target: Path) -> Path:
    """The first ``size`` bytes of a log that has grown since they were checked. InputError where it has shrunk."""
    found = path.stat().st_size
    if found < size:
        told = f"{found:,} bytes"
        hint = "Evaluate logs that are complete, or copy them first."
        raise InputError("cut off while it was read", where=str(path), found=told, expected=f"{size:,}", hint=hint)
    with path.open("rb") as source, temporary(target) as write:
        _copy(source, write, 0, size)
    return target


def _copy(source: BinaryIO, write: Callable[[bytes], object], start: int, length: int) -> None:
    source.seek(start)
    while length > 0 and (chunk := source.read(min(COPY_BYTES, length))):
        write(chunk)
        length -= len(chunk)
