"""How an id can stand in a JSON line, so that lines which cannot hold it are passed over without decoding them.

A JSON string may spell any character as it is, as ``\\u`` with four hex digits in either case (two of them beyond
U+FFFF), and ``"``, ``\\`` and ``/`` with a backslash before them; the first two must not stand bare. So a line that
holds an id holds either the quoted UTF-8 text of it, or a backslash that begins a spelling of one of its characters.
Both are searched for, the latter only in blocks that have a backslash at all; whether the id is really there, the
decoded line tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

MANY = 8
"""With more ids than this, it is cheaper to decode the head of each line than to search it for each id."""


class Needles(Struct, frozen=True):
    """``plain``: the quoted spellings without a backslash. ``escaped``: a pattern of the backslashes of all others; b""
    where there is none. Without either, every line may hold an id."""

    plain: tuple[bytes, ...] = ()
    escaped: bytes = b""


def needles(texts: Sequence[str]) -> Needles:
    """What a line holds that holds one of ``texts`` as a JSON string."""
    if len(texts) > MANY:
        return Needles()
    plain = [b'"' + text.encode() + b'"' for text in texts if not {'"', "\\"} & set(text)]
    plain += [key + blank + text.encode() for text in texts if _is_number(text) for key in _KEYS for blank in _BLANKS]
    short = "".join(sorted({char for text in texts for char in text} & {'"', "\\", "/"}))
    units = sorted({text[place].encode("utf-16-be")[:2].hex() for text in texts for place in range(len(text))})
    forms = [b"(?i:u(?:" + "|".join(units).encode() + b"))"]
    if short:
        forms.append(b"[" + re.escape(short).encode() + b"]")
    return Needles(tuple(plain), rb"\\(?:" + b"|".join(forms) + b")")


# A number in place of the text is not valid, and yet it is clear which request was meant
_KEYS, _BLANKS = (b'"request_id":',), (b"", b" ")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def lines_with(block: bytes, sought: Needles) -> Iterator[tuple[int, int]]:
    """The lines of a block that may hold an id, in order, as (start, end) without the newline."""
    if not sought.plain and not sought.escaped:
        yield from _all_lines(block)
        return
    found: dict[int, int] = {}
    for needle in sought.plain:
        found.update(_around(block, _occurrences(block, needle)))
    if sought.escaped and b"\\" in block:
        found.update(_around(block, _matches(block, re.compile(sought.escaped))))
    yield from sorted(found.items())


def _all_lines(block: bytes) -> Iterator[tuple[int, int]]:
    start = 0
    while (end := block.find(b"\n", start)) >= 0:
        yield start, end
        start = end + 1
    if start < len(block):
        yield start, len(block)


def _around(block: bytes, places: Iterable[int]) -> Iterator[tuple[int, int]]:
    """The lines in which ``places`` stand; of each line only its first place is looked at."""
    end = -1
    for place in places:
        if place > end:
            start = block.rfind(b"\n", 0, place) + 1
            end = block.find(b"\n", place)
            end = len(block) if end < 0 else end
            yield start, end


def _occurrences(block: bytes, needle: bytes) -> Iterator[int]:
    at = block.find(needle)
    while at >= 0:
        yield at
        at = block.find(needle, at + len(needle))


def _matches(block: bytes, pattern: re.Pattern[bytes]) -> Iterator[int]:
    return (match.start() for match in pattern.finditer(block))
