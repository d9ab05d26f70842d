"""What a finder of one kind of identifier tells of a text of many lines."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import cached_property
from typing import Any, Protocol


class Kind(StrEnum):
    """The kinds of personal identifiers that are told apart."""

    EMAIL = "e-mail"
    PHONE = "phone"
    CARD = "card"
    IBAN = "IBAN"
    IPV4 = "IPv4"
    IPV6 = "IPv6"


# (start, end, group): text[start:end] looks like an identifier; whether it is one is decided by group, over the column.
Sighting = tuple[int, int, Hashable]

_OUTLINE = bytes.maketrans(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", b"0" * 10 + b"a" * 52)


class Page:
    """Values, one a line. ``numbers``: which lines of the page that this one is an excerpt of."""

    def __init__(self, lines: Sequence[str], numbers: Sequence[int] | None = None) -> None:
        self.lines = lines
        self.numbers = range(len(lines)) if numbers is None else numbers

    @cached_property
    def text(self) -> str:
        """All lines, with a line feed before the first and after the last."""
        return "\n" + "\n".join(self.lines) + "\n"

    @cached_property
    def outline(self) -> bytes:
        """The text with ``0`` for each digit and ``a`` for each letter: for tests whether to look at all."""
        return self.text.encode("ascii", "replace").translate(_OUTLINE)

    def only(self, keep: Callable[[str], bool]) -> Page:
        """The lines that ``keep`` says yes to."""
        numbers = [number for number, line in enumerate(self.lines) if keep(line)]
        return Page([self.lines[number] for number in numbers], numbers)


NOTHING = Page([])


class Finder(Protocol):
    """Looks through the values of one column, page by page, then says which groups of sightings are identifiers."""

    kind: Kind

    def pick(self, page: Page) -> Page:
        """The page, or an excerpt of it, or nothing: what a quick test does not rule out."""
        ...

    def look(self, page: Page) -> Iterator[Sighting]:
        """The sightings in the text of what was picked, from left to right and apart from each other."""
        ...

    def accepted(self) -> Mapping[Any, float]:
        """The groups that hold identifiers, each with how many of its sightings are expected to be there by chance."""
        ...


def masked(text: str, sightings: Iterable[Sighting]) -> str:
    """``text`` with NUL in place of what was seen, at the same length: no other kind is to be seen in it."""
    parts, done = [], 0
    for start, end, _ in sightings:
        parts += [text[done:start], "\0" * (end - start)]
        done = end
    return "".join([*parts, text[done:]])
