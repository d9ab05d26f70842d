"""Text that others wrote, as it may be shown."""

from __future__ import annotations

MAX_CHARACTERS = 100


def printable(text: str) -> str:
    """The text with escapes in place of the characters that a terminal or a page obeys."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def slice_value(text: str) -> str:
    """A value of a slice key as it is shown: printable, and not endless, though a log may hold what it likes."""
    return printable(text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}…") or "(empty)"


def level_of(level: float | None) -> str:
    """``95 %``: the level of an interval, in the digits that it has."""
    return "" if level is None else f"{100 * level:.4g} %"
