"""What differs between lines as they were written and lines as they are, told as few byte ranges as possible.

Lines are compared by length and CRC-32. Each line that is there is paired with the written line that it is; pairs that
are out of order were moved. What is left between two lines in place is missing, changed, or was put there.
"""

from __future__ import annotations

from array import array
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

from recsys.eventlog.audit.pairing import in_place, paired

Kind = Literal["missing", "repeated", "moved", "changed", "unindexed", "torn"]


class Rows(Struct):
    """Lines: where each begins, and its length and CRC-32 in one number. ``torn``: the last one has no newline."""

    starts: array[int] = field(default_factory=lambda: array("Q"))
    keys: array[int] = field(default_factory=lambda: array("Q"))
    torn: bool = False

    def add(self, start: int, length: int, crc: int) -> None:
        """Put a line behind the others."""
        self.starts.append(start)
        self.keys.append(length << 32 | crc)

    def length(self, number: int) -> int:
        """The bytes of a line, with its newline."""
        return self.keys[number] >> 32

    def end(self, number: int) -> int:
        """The byte after a line."""
        return self.starts[number] + self.length(number)


class Hole(Struct, frozen=True):
    """Bytes that were written and that no index knows line by line. ``before``: the number of the written line that
    follows."""

    before: int
    start: int
    size: int


class Difference(Struct, frozen=True, kw_only=True):
    """One range of lines that are not as they were written. ``start`` to ``end``: bytes of the file as it is, of
    missing lines those of the file as it was written. ``place``: of missing and moved lines, the byte of the file as it
    is where they belong. ``number``: of moved lines, that of the first among the written ones."""

    kind: Kind
    start: int
    end: int
    lines: int
    place: int | None = None
    number: int = -1

    @property
    def where(self) -> int:
        """The byte of the file as it is that it is told at."""
        return self.start if self.kind != "missing" or self.place is None else self.place


class Compared(Struct, frozen=True, kw_only=True):
    """Differences in the order of the file. ``unknown``: ranges of lines that no index knows, and that may be there."""

    differences: list[Difference]
    unknown: list[tuple[int, int]]


def compare(
    wrote: Rows, there: Rows, holes: Sequence[Hole], *,
    begin: int, settled_to: int, written_before: Callable[[set[int]], set[int]],
) -> Compared:  # fmt: skip
    """Compare two files from byte ``begin`` on, up to which they are the same.

    ``settled_to``: lines that begin there or later, behind all that were written, may be in no index yet, and are no
    difference. ``written_before`` tells which of some lines were written before ``begin``.
    """
    return _Comparison(wrote, there, holes, begin, settled_to, written_before).run()


class _Comparison:
    def __init__(
        self,
        wrote: Rows,
        there: Rows,
        holes: Sequence[Hole],
        begin: int,
        settled_to: int,
        written_before: Callable[[set[int]], set[int]],
    ) -> None:
        self._wrote = wrote
        self._there = there
        self._holes = {hole.before: hole for hole in holes}
        self._begin = begin
        self._settled_to = settled_to
        self._found: list[Difference] = []
        self._unknown: list[tuple[int, int]] = []
        self._moved: list[int] = []
        self._belongs: dict[int, tuple[int, int]] = {}
        """Of written lines that are there and not in place: where they belong, between two lines in place."""
        self._pairs = paired(wrote.keys, there.keys)
        strange = {key for key, pair in zip(there.keys, self._pairs, strict=True) if pair < 0}
        self._known = strange & set(wrote.keys) | written_before(strange) if strange else set[int]()

    def run(self) -> Compared:
        present = set(self._pairs)
        self._gone = [number not in present for number in range(len(self._wrote.keys))]
        for written, place in self._gaps():
            if written or place or written.start in self._holes:
                self._gap(written, place)
        for place in self._moved:
            self._add_moved(place)
        found = sorted(self._found, key=lambda each: (each.where, each.kind != "missing", each.start))
        return Compared(differences=list(_joined(found)), unknown=self._unknown)

    def _gaps(self) -> Iterator[tuple[range, range]]:
        """What was written, and what is there, between one line in place and the next."""
        places = [place for place, number in enumerate(self._pairs) if number >= 0]
        kept = in_place([self._pairs[place] for place in places])
        written = there = 0
        for place, stands in zip(places, kept, strict=True):
            if stands:
                number = self._pairs[place]
                yield range(written, number), range(there, place)
                written, there = number + 1, place + 1
        yield range(written, len(self._wrote.keys)), range(there, len(self._there.keys))

    def _gap(self, written: range, there: range) -> None:
        at = self._there.end(there.start - 1) if there.start else self._begin
        missing = [number for number in written if self._gone[number]]
        until = self._there.end(there.stop - 1) if there else at
        self._belongs.update((number, (at, until)) for number in written if not self._gone[number])
        self._moved += [place for place in there if self._pairs[place] >= 0]
        strange = [place for place in there if self._pairs[place] < 0]
        for number in range(written.start, written.stop + 1):
            if number in self._holes:
                strange = self._filled(self._holes[number], strange, at)
        strange = self._without_repeats(strange)
        strange, missing = self._without_changed(strange, missing)
        for number in missing:
            self._lost(self._wrote.starts[number], self._wrote.end(number), 1, at)
        self._left(strange, written.stop == len(self._wrote.keys), bool(missing))

    def _filled(self, hole: Hole, strange: list[int], at: int) -> list[int]:
        """Take out the lines that fill a hole; where they do not to the byte, that is a difference."""
        first = size = 0
        for last, place in enumerate(strange):
            size += self._there.length(place)
            while size > hole.size:
                size -= self._there.length(strange[first])
                first += 1
            if size == hole.size:
                self._unknown.append((self._there.starts[strange[first]], self._there.end(place)))
                return strange[:first] + strange[last + 1 :]
        if not strange:
            self._lost(hole.start, hole.start + hole.size, 0, at)
        elif self._bytes(self._there, strange) > hole.size:
            return strange
        else:  # a part of what was there: nobody knows which
            start, end = self._there.starts[strange[0]], self._there.end(strange[-1])
            self._found.append(Difference(kind="changed", start=start, end=end, lines=0))
        return []

    def _without_repeats(self, strange: list[int]) -> list[int]:
        repeated = [place for place in strange if self._there.keys[place] in self._known]
        for place in repeated:
            self._add("repeated", place)
        return [place for place in strange if self._there.keys[place] not in self._known]

    def _without_changed(self, strange: list[int], missing: list[int]) -> tuple[list[int], list[int]]:
        """Lines that stand where others were written, as many or as many bytes, are those, changed."""
        torn = len(self._there.keys) - 1 if self._there.torn else -1
        if strange and missing and self._bytes(self._there, strange) == self._bytes(self._wrote, missing):
            first, last = strange[0], strange[-1]
            start, end = self._there.starts[first], self._there.end(last)
            if last - first + 1 == len(strange):  # also where newlines were changed
                self._found.append(Difference(kind="changed", start=start, end=end, lines=len(missing)))
                return [], []
        whole = [place for place in strange if place != torn]
        pairs = self._likely(whole, missing)
        for place in pairs:
            self._add("changed", place)
        gone = set(pairs.values())
        return [place for place in strange if place not in pairs], [each for each in missing if each not in gone]

    def _likely(self, strange: list[int], missing: list[int]) -> dict[int, int]:
        """Which strange line is which missing one, changed: those of the same length first, then in order."""
        by_length: dict[int, deque[int]] = defaultdict(deque)
        for number in missing:
            by_length[self._wrote.length(number)].append(number)
        same = ((place, by_length.get(self._there.length(place))) for place in strange)
        pairs = {place: numbers.popleft() for place, numbers in same if numbers}
        taken = set(pairs.values())
        rest = (number for number in missing if number not in taken)
        return pairs | dict(zip((place for place in strange if place not in pairs), rest, strict=False))

    def _left(self, strange: list[int], at_end: bool, cut: bool) -> None:
        torn = len(self._there.keys) - 1 if self._there.torn else -1
        for place in strange:
            may_be = at_end and self._there.starts[place] >= self._settled_to
            if may_be and not (place == torn and cut):
                self._unknown.append((self._there.starts[place], self._there.end(place)))
            else:
                self._add("torn" if place == torn else "unindexed", place)

    @staticmethod
    def _bytes(rows: Rows, numbers: list[int]) -> int:
        return sum(rows.length(number) for number in numbers)

    def _add(self, kind: Kind, place: int) -> None:
        start, end = self._there.starts[place], self._there.end(place)
        self._found.append(Difference(kind=kind, start=start, end=end, lines=1))

    def _add_moved(self, place: int) -> None:
        number = self._pairs[place]
        start, end = self._there.starts[place], self._there.end(place)
        first, last = self._belongs[number]
        belongs = last if first == start else first  # neighbours that were exchanged: the first one belongs behind
        self._found.append(Difference(kind="moved", start=start, end=end, lines=1, place=belongs, number=number))

    def _lost(self, start: int, end: int, lines: int, place: int) -> None:
        self._found.append(Difference(kind="missing", start=start, end=end, lines=lines, place=place))


def _joined(found: Sequence[Difference]) -> Iterator[Difference]:
    """Neighbours of one kind as one; moved ones as far as they were neighbours before."""
    last: Difference | None = None
    for each in found:
        follows = each.number in (-1, last.number + last.lines) if last is not None else False
        if last is not None and follows and (each.kind, each.start) == (last.kind, last.end):
            last = replace(last, end=each.end, lines=last.lines + each.lines)
            continue
        if last is not None:
            yield last
        last = each
    if last is not None:
        yield last


def joined_ranges(ranges: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Ranges that follow on each other as one."""
    last: tuple[int, int] | None = None
    for start, end in sorted(ranges):
        if last is not None and start <= last[1]:
            last = (last[0], max(last[1], end))
            continue
        if last is not None:
            yield last
        last = (start, end)
    if last is not None:
        yield last
