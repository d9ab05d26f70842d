"""Values in one plain spelling, and the quick way past those that cannot hold an identifier."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from urllib.parse import unquote

_ESCAPED = re.compile(r"%[0-9A-Fa-f]{2}")
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
_UNSEEN = "\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
_ZEROS = "\u0660\u06f0\u0966"  # Arabic-Indic, Persian, Devanagari; full width is left to NFKC
_PLAIN = str.maketrans(
    dict.fromkeys(_DASHES, "-")
    | dict.fromkeys(_UNSEEN, "")
    | dict.fromkeys("\0\t\n\v\f\r\x1c\x1d\x1e\x85\u2028\u2029", " ")
    | {chr(ord(zero) + digit): str(digit) for zero in _ZEROS for digit in range(10)}
)
_BREAKS = ("\n", "\0", "\r", "\t")

# Whole lines without identifiers, told by one glance: letters and digits without a mark, unless they are digits of a
# card's length, or a few letters before those, or begin like an IBAN; a UUID; a date with or without a time (RFC 3339);
# a decimal; and words with one number of up to 6 digits.
_HARMLESS = (
    r"(?![0-9]{13,19}+\n|[A-Za-z]{2}[0-9]{2}[0-9A-Za-z]{11,30}+\n|[A-Za-z]{1,10}+[0-9]{13,19}+\n)[0-9A-Za-z]++"
    r"|[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}"
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})?)?"
    r"|-?[0-9]++\.[0-9]++"
    r"|[A-Za-z_ -]*+[0-9]{0,6}+[A-Za-z_ -]*+"
)
_SUSPECT = re.compile(rf"\n(?!(?:{_HARMLESS})\n)([^\n]+)")


def plain(values: Sequence[str]) -> Sequence[str]:
    """The values as they would be typed: compatibility forms (Unicode NFKC), dashes, spaces and digits as ASCII,
    invisible characters left out, percent escapes (RFC 3986) resolved, each on one line."""
    joined = "".join(values)
    if joined.isascii() and "%" not in joined and not any(mark in joined for mark in _BREAKS):
        return values
    return [_plain(value) for value in values]


def _plain(value: str) -> str:
    if "%" in value and _ESCAPED.search(value):
        value = unquote(value)
    if not value.isascii():
        value = unicodedata.normalize("NFKC", value)
    return value.translate(_PLAIN)


def suspects(values: Iterable[str]) -> list[str]:
    """The plain values that are not harmless at one glance, in their order."""
    joined = "\n".join(values)
    return _SUSPECT.findall(f"\n{joined}\n")
