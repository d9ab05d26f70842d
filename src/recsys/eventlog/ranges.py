"""The lines of one range of a file: checked block by block, in memory that does not grow with the range."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from msgspec import Struct, field

from recsys.contracts.types import MAX_LINE_BYTES
from recsys.eventlog.checks import Checker, checker
from recsys.eventlog.faults import Fault, findings, too_long
from recsys.eventlog.mixed import MixedChecker, looks_like

BLOCK_BYTES = 1 << 18  # small enough that a block and its records stay in the cache of a core


class BadLine(Struct, frozen=True):
    """Where a bad line stands in its (decompressed) file: offset and length in bytes without newline, 1-based line."""

    offset: int
    length: int
    line: int


class Converted(Struct, frozen=True):
    """A stretch of a file in which lines are of another format: ``path`` holds its valid lines, converted.

    It is the bytes [start, end) and the 1-based lines [line, end_line) of the file.
    """

    path: Path
    start: int
    end: int
    line: int
    end_line: int


class Range(Struct, frozen=True):
    """A piece of a file to check: it owns the lines that begin in [start, end). What a log has grown beyond ``size``
    since the check began does not count. ``target``: where to convert lines of ``service_v1`` to, if they are taken;
    ``scores``: with the scores of their items."""

    path: str
    schema: str
    start: int
    end: int
    size: int
    max_faults: int
    target: str | None = None
    scores: bool = False


class RangeResult(Struct):
    """What was found in a range. Lines are counted from its beginning."""

    rows: int = 0
    bad: list[BadLine] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    rules: Counter[str] = field(default_factory=Counter)
    converted: Converted | None = None


def check_range(piece: Range) -> RangeResult:
    """Check the lines that begin in the range, and convert those that are to be converted."""
    result = RangeResult()
    if piece.target is None:
        _check_blocks(piece, checker(piece.schema), result)
        return result
    with MixedChecker(target := Path(piece.target), scores=piece.scores) as check:
        begun = _check_blocks(piece, check, result, lambda: check.begun)
    if begun is not None:
        result.converted = Converted(target, *begun)
    return result


def _check_blocks(
    piece: Range, check: Checker, result: RangeResult, converting: Callable[[], bool] = lambda: False
) -> tuple[int, int, int, int] | None:
    """Check block by block. Where ``converting`` came true during one: the offset where that begins, the offset where
    the last one ends, and the lines there."""
    begun = None
    end = piece.start
    for offset, block in _blocks(piece):
        first = result.rows + 1
        if block is None:
            end = offset + _note_long_line(piece, offset, result) + 1
            continue
        if bad := check(block):
            _note_bad_lines(piece, offset, block, bad, result)
        result.rows += block.count(b"\n") + 1
        end = offset + len(block) + 1
        if begun is None and converting():
            begun = offset, first
    return None if begun is None else (begun[0], end, begun[1], result.rows + 1)


def _note_bad_lines(piece: Range, offset: int, block: bytes, places: list[int], result: RangeResult) -> None:
    bad = set(places)
    for place, line in enumerate(block.split(b"\n")):
        if place in bad:
            _note(piece, offset, line, result, result.rows + place + 1)
        offset += len(line) + 1


def _note(piece: Range, offset: int, line: bytes, result: RangeResult, number: int) -> None:
    result.bad.append(BadLine(offset, len(line), number))
    found = findings(line, piece.schema if piece.target is None else looks_like(line))
    for finding in found:
        result.rules[finding.rule] += 1
        if len(result.faults) < piece.max_faults:
            result.faults.append(
                Fault(
                    file=piece.path, line=number, byte_offset=offset, path=finding.path, rule=finding.rule,
                    found=finding.found, expected=finding.expected, hint=finding.hint,
                )
            )  # fmt: skip


def _note_long_line(piece: Range, offset: int, result: RangeResult) -> int:
    """A line too long to hold in memory: count it with its whole length, found by looking for its newline. Its length
    is returned."""
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
    return length


def _length_of_line(piece: Range, offset: int) -> int:
    length = 0
    with Path(piece.path).open("rb") as file:
        file.seek(offset)
        while chunk := file.read(min(BLOCK_BYTES, piece.size - offset - length)):
            newline = chunk.find(b"\n")
            if newline >= 0:
                return length + newline
            length += len(chunk)
    return length


def _blocks(piece: Range) -> Iterator[tuple[int, bytes | None]]:
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
