"""Text that others wrote, as it may be shown."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with escapes in place of the characters that a terminal or a page obeys."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
