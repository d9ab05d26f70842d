"""Validation of whole files: every line, in byte ranges over all cores, in memory that does not grow with the file."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from threading import Event

from msgspec import Struct, field

from recsys.contracts.events import RECORDS
from recsys.contracts.types import MAX_LINE_BYTES
from recsys.errors import InputError, nearest
from recsys.eventlog.checks import checker, recognise
from recsys.eventlog.faults import Fault, compiled, findings, too_long
from recsys.eventlog.reader import LogFile, localize
from recsys.eventlog.workers import spread

ALONE_BYTES = 8 << 20
BLOCK_BYTES = 1 << 18  # small enough that a block and its records stay in the cache of a core
RANGE_BYTES = 32 << 20
HASHED_AT_ONCE = 1 << 20
KEPT_FAULTS = 1000
LOOKED_AT_LINES = 20
AUTO = "auto"

Progress = Callable[[int, int], None]
"""Called with (bytes done, bytes in all)."""


class BadLine(Struct, frozen=True):
    """Where a bad line stands in its (decompressed) file: offset and length in bytes without newline, 1-based line."""

    offset: int
    length: int
    line: int


class FileValidation(Struct, kw_only=True):
    """What was found in one file. ``faults`` are the first ones, in the order of the file; ``rules`` counts all."""

    name: str
    plain: Path
    schema: str
    bytes: int
    rows: int = 0
    bad: list[BadLine] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    rules: Counter[str] = field(default_factory=Counter)
    sha256: str = ""

    @property
    def invalid(self) -> int:
        """How many lines are bad."""
        return len(self.bad)


class _Range(Struct, frozen=True):
    """A piece of a file to check: it owns the lines that begin in [start, end). What a log has grown beyond ``size``
    since the check began does not count."""

    path: str
    schema: str
    start: int
    end: int
    size: int
    max_faults: int


class _RangeResult(Struct):
    rows: int = 0
    bad: list[BadLine] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    rules: Counter[str] = field(default_factory=Counter)


def validate(
    paths: Sequence[LogFile],
    schema: str,
    *,
    scratch: Path | None = None,
    max_faults: int = KEPT_FAULTS,
    workers: int | None = None,
    hashes: bool = False,
    on_progress: Progress | None = None,
) -> list[FileValidation]:
    """Check every line of every file; objects are fetched, and compressed files unpacked, into
    ``scratch`` first.

    ``schema`` is a record's name, ``auto`` (by each file's first lines), or the path of a JSON Schema. With ``hashes``
    the SHA-256 of each (decompressed) file is taken as well. InputError where a file cannot be read.
    """
    with tempfile.TemporaryDirectory(prefix="recsys-") as folder:
        plain = [localize(path, scratch or Path(folder)) for path in paths]
        files = [
            FileValidation(
                name=str(path), plain=local, schema=_schema_of(local, path, schema), bytes=local.stat().st_size
            )
            for path, local in zip(paths, plain, strict=True)
        ]
        _run(files, max_faults, workers or os.cpu_count() or 1, hashes, on_progress)
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
    files: list[FileValidation], max_faults: int, workers: int, hashes: bool, on_progress: Progress | None
) -> None:
    total = sum(file.bytes for file in files)
    pieces = [(number, piece) for number, file in enumerate(files) for piece in _ranges(file, max_faults)]
    if total <= ALONE_BYTES:
        workers = 1  # done before other processes have started
    results: dict[tuple[int, int], _RangeResult] = {}
    done = 0
    with _digests(files if hashes else []) as digests:
        for (number, piece), result in spread(_check_piece, pieces, workers):
            results[number, piece.start] = result
            done += piece.end - piece.start
            if on_progress is not None:
                on_progress(done, total)
        for file, digest in zip(files, digests, strict=False):
            file.sha256 = digest.result()
    for number, file in enumerate(files):
        for key in sorted(key for key in results if key[0] == number):
            _add(file, results[key], max_faults)


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


def _ranges(file: FileValidation, max_faults: int) -> list[_Range]:
    starts = range(0, file.bytes, RANGE_BYTES)
    path, schema = str(file.plain), file.schema
    return [_Range(path, schema, at, min(at + RANGE_BYTES, file.bytes), file.bytes, max_faults) for at in starts]


def _add(file: FileValidation, result: _RangeResult, max_faults: int) -> None:
    """Append a range's result; its line numbers become those of the file."""
    before = file.rows
    file.rows += result.rows
    file.bad += [BadLine(bad.offset, bad.length, bad.line + before) for bad in result.bad]
    file.rules.update(result.rules)
    room = max_faults - len(file.faults)
    for fault in result.faults[: max(room, 0)]:
        values = {name: getattr(fault, name) for name in fault.__struct_fields__}
        file.faults.append(Fault(**{**values, "file": file.name, "line": fault.line + before}))


def _check_piece(numbered: tuple[int, _Range]) -> _RangeResult:
    return _check_range(numbered[1])


def _check_range(piece: _Range) -> _RangeResult:
    """Check the lines that begin in the range."""
    check = checker(piece.schema)
    result = _RangeResult()
    for offset, block in _blocks(piece):
        if block is None:
            _note_long_line(piece, offset, result)
            continue
        if bad := check(block):
            _note_bad_lines(piece, offset, block, bad, result)
        result.rows += block.count(b"\n") + 1
    return result


def _note_bad_lines(piece: _Range, offset: int, block: bytes, places: list[int], result: _RangeResult) -> None:
    bad = set(places)
    for place, line in enumerate(block.split(b"\n")):
        if place in bad:
            _note(piece, offset, line, result, result.rows + place + 1)
        offset += len(line) + 1


def _note(piece: _Range, offset: int, line: bytes, result: _RangeResult, number: int) -> None:
    result.bad.append(BadLine(offset, len(line), number))
    found = findings(line, piece.schema)
    for finding in found:
        result.rules[finding.rule] += 1
        if len(result.faults) < piece.max_faults:
            result.faults.append(
                Fault(
                    file=piece.path, line=number, byte_offset=offset, path=finding.path, rule=finding.rule,
                    found=finding.found, expected=finding.expected, hint=finding.hint,
                )
            )  # fmt: skip


def _note_long_line(piece: _Range, offset: int, result: _RangeResult) -> None:
    """A line too long to hold in memory: count it with its whole length, found by looking for its newline."""
    length = _length_of_line(piece, offset)
    result.rows += 1
    result.bad.append(BadLine(offset, length, result.rows))
    finding = too_long(length)
    result.rules[finding.rule] += 1
    result.faults.append(
        Fault(
            file=piece.path, line=result.rows, byte_offset=offset, path=finding.path, rule=finding.rule,
            found=finding.found, expected=finding.expected, hint=finding.hint,
        )
    )  # fmt: skip


def _length_of_line(piece: _Range, offset: int) -> int:
    length = 0
    with Path(piece.path).open("rb") as file:
        file.seek(offset)
        while chunk := file.read(min(BLOCK_BYTES, piece.size - offset - length)):
            newline = chunk.find(b"\n")
            if newline >= 0:
                return length + newline
            length += len(chunk)
    return length


def _blocks(piece: _Range) -> Iterator[tuple[int, bytes | None]]:
    """The range's lines in blocks without their last newline, with the offset of each block.

    None in place of a block stands for one line that is too long to hold.
    """
    with Path(piece.path).open("rb", buffering=0) as file:
        offset = _first_line(file, piece.start)
        file.seek(offset)
        rest = b""
        while offset < piece.end:
            chunk = file.read(max(min(BLOCK_BYTES, piece.size - offset - len(rest)), 0))
            if not chunk and not rest:
                return
            block, rest = _cut(rest, chunk, piece.end - offset)
            if block:
                yield offset, block.removesuffix(b"\n")
                offset += len(block)
            elif len(rest) > MAX_LINE_BYTES:
                yield offset, None
                offset += _length_of_line(piece, offset) + 1
                file.seek(offset)
                rest = b""


def _cut(rest: bytes, chunk: bytes, limit: int) -> tuple[bytes, bytes]:
    """``rest + chunk`` as (whole lines that begin before ``limit``, what is left). At the end of the file the last
    line is whole without a newline."""
    if not chunk:
        return rest, b""
    if len(rest) + len(chunk) > limit:  # the last block of the range: it ends with the line that begins before limit
        data = rest + chunk
        newline = data.find(b"\n", max(limit - 1, 0))
        if newline < 0:  # that line is not whole yet: the lines before it go first
            newline = data.rfind(b"\n")
        return data[: newline + 1], data[newline + 1 :]
    end = chunk.rfind(b"\n") + 1
    if not end:
        return b"", rest + chunk
    return rest + chunk[:end], chunk[end:]


def _first_line(file, start: int) -> int:  # noqa: ANN001 - a raw binary file
    """The offset of the first line that begins at or after ``start``."""
    if start == 0:
        return 0
    file.seek(start - 1)
    at = start - 1
    while chunk := file.read(BLOCK_BYTES):
        newline = chunk.find(b"\n")
        if newline >= 0:
            return at + newline + 1
        at += len(chunk)
    return at
