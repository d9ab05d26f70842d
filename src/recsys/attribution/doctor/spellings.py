"""Words that mean one thing and are spelt in several ways."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_MARKS = re.compile(r"[\W_]+")
_DIGIT = re.compile(r"[0-9]")
_CLOSE = 2
"""Two words of six letters or more are one word misspelt if so few letters part them."""


def words(text: str) -> list[str]:
    """The words of a name, in lower case: ``tenantId``, ``tenant-id`` and ``Tenant ID`` are tenant and id."""
    return [word.casefold() for word in _MARKS.split(_HUMP.sub("_", text)) if word]


def canonical(text: str) -> str:
    """The same for all spellings that differ in case and in marks between words. Where there are digits the marks
    count, whichever they are: 1.10 is not 11.0."""
    return ("_" if _DIGIT.search(text) else "").join(words(text)) or text


def near(name: str, wanted: str) -> bool:
    """Whether ``name`` may be meant for ``wanted``: another spelling, a misspelling, or a name made with its first
    word, as ``tenant`` or ``page_surface`` are."""
    if name == wanted:
        return False
    one, other = canonical(name), canonical(wanted)
    return one == other or words(wanted)[0] in words(name) or (len(one) > 3 and distance(one, other) <= _CLOSE)


def nearest(names: Iterable[str], wanted: str) -> list[str]:
    """The names that are near, those spelt most like it first."""
    found = [name for name in names if near(name, wanted)]
    return sorted(found, key=lambda name: (distance(canonical(name), canonical(wanted)), name))


def distance(one: str, other: str) -> int:
    """Letters to put in, leave out, change or swap with their neighbour (optimal string alignment)."""
    rows: list[Sequence[int]] = [range(len(other) + 1)]
    for place, letter in enumerate(one, start=1):
        row = [place]
        for at, wanted in enumerate(other, start=1):
            cost = min(rows[-1][at] + 1, row[at - 1] + 1, rows[-1][at - 1] + (letter != wanted))
            if place > 1 and at > 1 and letter == other[at - 2] and one[place - 2] == wanted:
                cost = min(cost, rows[-2][at - 2] + 1)
            row.append(cost)
        rows.append(row)
    return rows[-1][-1]
