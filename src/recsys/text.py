"""Text that others wrote, as it may be shown."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with escapes in place of the characters that a terminal or a page obeys."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def level_of(level: float | None) -> str:
    """``95 %``: the level of an interval, in the digits that it has."""
    return "" if level is None else f"{100 * level:.4g} %"
