"""What reaches an engine: files of accepted lines only, and an account of the others."""

from __future__ import annotations

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
from recsys.eventlog.reader import beside, expand_all, temporary
from recsys.eventlog.validation import LOOKED_AT_LINES, FileValidation, Progress, validate

COPY_BYTES = 4 << 20
SHOWN_FAULTS = 5

Role = Literal["exposures", "outcomes", "assignments", "items"]


class Accepted(Struct, frozen=True, kw_only=True):
    """``paths`` hold only valid lines, in plain JSONL: the files themselves, or copies without their bad lines.

    ``sizes``: the bytes of each that were checked; a log that is still written to may have grown since.
    ``logs``: of each input, the file beside which its indexes stand here.
    """

    paths: list[Path]
    logs: list[Path]
    sizes: list[int]
    inputs: list[Input]
    rows: int
    invalid: int
    faults: list[Fault]


def accept(
    specs: Sequence[str],
    schema: str,
    *,
    scratch: Path,
    role: Role,
    on_progress: Progress | None = None,
    max_faults: int = SHOWN_FAULTS,
) -> Accepted:
    """Validate the logs named by ``specs`` (see ``reader.expand``) and hand on what is valid.

    A file in which every line is bad, and looks like another record, is an InputError that names the record.
    """
    paths = expand_all(specs)
    files = validate(paths, schema, scratch=scratch, hashes=True, max_faults=max_faults, on_progress=on_progress)
    for file in files:
        refuse_another_record(file, schema)
    copies = [_accepted_copy(file, scratch / f"accepted-{role}-{number}.jsonl") for number, file in enumerate(files)]
    return Accepted(
        paths=copies,
        logs=[beside(path, file.plain) for path, file in zip(paths, files, strict=True)],
        sizes=[copy.stat().st_size if file.bad else file.bytes for copy, file in zip(copies, files, strict=True)],
        inputs=[
            Input(role=role, path=file.name, bytes=file.bytes, sha256=file.sha256, rows=file.rows, invalid=file.invalid)
            for file in files
        ],
        rows=sum(file.rows for file in files),
        invalid=sum(file.invalid for file in files),
        faults=[fault for file in files for fault in file.faults],
    )


def refuse_another_record(file: FileValidation, schema: str) -> None:
    """InputError for a file without a valid line that begins with another record than ``schema``."""
    if not file.rows or file.invalid < file.rows:
        return
    with file.plain.open("rb") as content:
        lines = islice(iter(lambda: content.readline(MAX_LINE_BYTES), b""), LOOKED_AT_LINES)
        seen = next(filter(None, map(recognise, lines)), None)
    if seen is None or seen == schema:
        return
    hint = "Check which file goes with which option; of a folder of several logs give a glob: 'logs/exposure-*.jsonl'."
    if seen == "service_v1" and schema == "exposure.v1":
        hint = f"Convert it first: recsys-eval convert --from service_v1 --input {file.name} --output exposures.jsonl"
    elif seen == "exposure.v1" and schema == "service_v1":
        hint = "It is what `convert` makes: use it as it is."
    raise InputError("not a log of this kind", where=file.name, found=f"{seen} records", expected=schema, hint=hint)


def _accepted_copy(file: FileValidation, target: Path) -> Path:
    """The file itself where all its lines are valid, else a copy without the bad ones."""
    if not file.bad:
        return file.plain
    with file.plain.open("rb") as source, temporary(target) as write:
        at = 0
        for bad in file.bad:
            _copy(source, write, at, bad.offset - at)
            at = bad.offset + bad.length + 1
        _copy(source, write, at, max(file.bytes - at, 0))
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
