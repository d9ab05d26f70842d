"""What ids look like, in words that give none of them away."""

from __future__ import annotations

import re
from collections.abc import Sequence

MOSTLY = 0.9
"""A form describes ids of which this share has it."""
_DIGESTS = {32: "MD5", 40: "SHA-1", 56: "SHA-224", 64: "SHA-256", 96: "SHA-384", 128: "SHA-512"}
_HEX = re.compile(r"[0-9a-f]+|[0-9A-F]+")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_FORMS = (
    ("digits", re.compile(r"[0-9]+")),
    ("letters", re.compile(r"[^\W\d_]+")),
    ("letters and digits", re.compile(r"[^\W_]+")),
    ("characters with an @", re.compile(r"[^@]+@[^@]+")),
    ("letters, digits and marks", re.compile(r"[!-~]+")),
)


def shape(ids: Sequence[str]) -> str:
    """The form of most of these ids with its lengths, such as ``6–12 letters and digits``."""
    if not ids:
        return "nothing"
    if _mostly(ids, _UUID):
        return "UUIDs"
    lengths = sorted(map(len, ids))
    few, many = lengths[len(ids) // 20], lengths[-1 - len(ids) // 20]
    if few == many and few in _DIGESTS and _mostly(ids, _HEX) and not _mostly(ids, _FORMS[0][1]):
        case = "upper-case " if sum(map(str.isupper, ids)) > len(ids) / 2 else ""
        return f"{few} {case}hex digits, as {_DIGESTS[few]} gives them"
    form = next((name for name, pattern in _FORMS if _mostly(ids, pattern)), "characters")
    return f"{few if few == many else f'{few}–{many}'} {form}"


def _mostly(ids: Sequence[str], pattern: re.Pattern[str]) -> bool:
    return sum(pattern.fullmatch(each) is not None for each in ids) >= MOSTLY * len(ids)
