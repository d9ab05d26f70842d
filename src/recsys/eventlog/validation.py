"""Validation of whole files: every line, in byte ranges over all cores, in memory that does not grow with the file."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from itertools import islice
from pathlib import Path
from threading import Event

from msgspec import Struct, field
from msgspec.structs import replace

from recsys.contracts.events import RECORDS
from recsys.contracts.types import MAX_LINE_BYTES
from recsys.errors import InputError, nearest
from recsys.eventlog.checks import recognise
from recsys.eventlog.faults import Fault, compiled
from recsys.eventlog.ranges import BadLine, Converted, Range, RangeResult, check_range
from recsys.eventlog.reader import LogFile, localize
from recsys.eventlog.workers import spread

ALONE_BYTES = 8 << 20
RANGE_BYTES = 32 << 20
HASHED_AT_ONCE = 1 << 20
KEPT_FAULTS = 1000
LOOKED_AT_LINES = 20
AUTO = "auto"

Progress = Callable[[int, int], None]
"""Called with (bytes done, bytes in all)."""


class FileValidation(Struct, kw_only=True):
    """What was found in one file. ``faults`` are the first ones, in the order of the file; ``rules`` counts all;
    ``converted`` are the stretches that were converted, in order."""

    name: str
    plain: Path
    schema: str
    bytes: int
    rows: int = 0
    bad: list[BadLine] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    rules: Counter[str] = field(default_factory=Counter)
    converted: list[Converted] = field(default_factory=list)
    sha256: str = ""

    @property
    def invalid(self) -> int:
        """How many lines are bad."""
        return len(self.bad)

    def rename(self, name: str) -> None:
        """Tell of the file, and of its faults, under another name."""
        if name != self.name:
            self.name = name
            self.faults = [replace(fault, file=name) for fault in self.faults]


def validate(
    paths: Sequence[LogFile],
    schema: str,
    *,
    scratch: Path | None = None,
    max_faults: int = KEPT_FAULTS,
    workers: int | None = None,
    hashes: bool = False,
    on_progress: Progress | None = None,
    convert_into: Path | None = None,
    scores: bool = False,
) -> list[FileValidation]:
    """Check every line of every file; objects are fetched, and compressed files unpacked, into
    ``scratch`` first.

    ``schema`` is a record's name, ``auto`` (by each file's first lines), or the path of a JSON Schema. With ``hashes``
    the SHA-256 of each (decompressed) file is taken as well. With ``convert_into``, an empty folder, lines of
    ``service_v1`` are taken beside those of ``exposure.v1``, and converted into files of it; with ``scores`` items keep
    theirs. InputError where a file cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="recsys-") if scratch is None else nullcontext(scratch) as folder:
        plain = [localize(path, Path(folder)) for path in paths]
        files = [
            FileValidation(
                name=str(path), plain=local, schema=_schema_of(local, path, schema), bytes=local.stat().st_size
            )
            for path, local in zip(paths, plain, strict=True)
        ]
        pieces = [
            (number, piece)
            for number, file in enumerate(files)
            for piece in _ranges(file, max_faults, convert_into and convert_into / str(number), scores)
        ]
        _run(files, pieces, workers or os.cpu_count() or 1, hashes, on_progress)
    return files


def _schema_of(plain: Path, path: LogFile, schema: str) -> str:
    known = [*RECORDS, AUTO]
    if schema == AUTO:
        return _recognised(plain, path)
    if schema in RECORDS:
        return schema
    if schema.endswith(".json") and Path(schema).is_file():
        compiled(schema)
        return schema
    raise InputError("no such schema", where=schema, expected=", ".join(known), hint=nearest(schema, known))


def _recognised(plain: Path, path: LogFile) -> str:
    """The schema that the first recognisable line has; ``auto`` for an empty file, which is of any schema."""
    with plain.open("rb") as file:
        lines = list(islice(iter(lambda: file.readline(MAX_LINE_BYTES), b""), LOOKED_AT_LINES))
    if seen := next(filter(None, map(recognise, lines)), None):
        return seen
    if not lines:
        return AUTO
    known = ", ".join(RECORDS)
    raise InputError("no line at its beginning looks like a record that is known", where=str(path), expected=known)


def _run(
    files: list[FileValidation],
    pieces: list[tuple[int, Range]],
    workers: int,
    hashes: bool,
    on_progress: Progress | None,
) -> None:
    total = sum(file.bytes for file in files)
    if total <= ALONE_BYTES:
        workers = 1  # done before other processes have started
    results: dict[tuple[int, int], RangeResult] = {}
    done = 0
    with _digests(files if hashes else []) as digests:
        for (number, piece), result in spread(_check_piece, pieces, workers):
            results[number, piece.start] = result
            done += piece.end - piece.start
            if on_progress is not None:
                on_progress(done, total)
        for file, digest in zip(files, digests, strict=False):
            file.sha256 = digest.result()
    for number, piece in pieces:
        _add(files[number], results[number, piece.start], piece.max_faults)


@contextmanager
def _digests(files: list[FileValidation]) -> Iterator[list[Future[str]]]:
    """The SHA-256 of each file, taken in a thread beside the block, and no further than the block where that fails."""
    ended = Event()
    with ThreadPoolExecutor(1) as thread:
        try:
            yield [thread.submit(_sha256, file.plain, file.bytes, ended) for file in files]
        finally:
            ended.set()


def _sha256(path: Path, size: int, ended: Event) -> str:
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as content:
        while not ended.is_set() and (chunk := content.read(min(HASHED_AT_ONCE, size))):
            digest.update(chunk)
            size -= len(chunk)
    return digest.hexdigest()


def _ranges(file: FileValidation, max_faults: int, targets: Path | None, scores: bool) -> list[Range]:
    return [
        Range(
            str(file.plain), file.schema, at, min(at + RANGE_BYTES, file.bytes), file.bytes, max_faults,
            targets and f"{targets}-{at}.jsonl", scores,
        )
        for at in range(0, file.bytes, RANGE_BYTES)
    ]  # fmt: skip


def _add(file: FileValidation, result: RangeResult, max_faults: int) -> None:
    """Append a range's result; its line numbers become those of the file."""
    before = file.rows
    file.rows += result.rows
    file.bad += [BadLine(bad.offset, bad.length, bad.line + before) for bad in result.bad]
    file.rules.update(result.rules)
    if (made := result.converted) is not None:
        file.converted.append(Converted(made.path, made.start, made.end, made.line + before, made.end_line + before))
    room = max_faults - len(file.faults)
    for fault in result.faults[: max(room, 0)]:
        file.faults.append(replace(fault, file=file.name, line=fault.line + before))


def _check_piece(numbered: tuple[int, Range]) -> RangeResult:
    return check_range(numbered[1])
