"""IPv4 addresses (RFC 791), as dotted quads (RFC 3986 §3.2.2), also with a port or a prefix length, amid text.

A dotted quad may also be a version, an article number or any dotted number. It is an address

- always, where a word such as ``ip`` stands before it or a port behind it, or the column is named after addresses;
- never, behind a product and a slash, as in ``Chrome/96.0.1.2``, or a word such as ``version``; nor, without a port,
  in a column named after versions;
- else by the column: three quarters of its dotted quads are in range, and in a quarter of those one of the first
  three parts is 100 or more. Of addresses drawn at random 94 % are such (of 10.x.x.x 85 %), of versions hardly any.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from recsys.attribution.doctor.identifiers.column import Column
from recsys.attribution.doctor.identifiers.sighting import NOTHING, Kind, Page, Sighting

_QUAD = re.compile(
    r"[^0-9A-Za-z](?<![0-9A-Za-z]\.)([0-9]{1,5}(?:\.[0-9]{1,5}){3})(?P<port>:[0-9]{2,5}(?![0-9A-Za-z.:]))?"
    r"(?!\.?[0-9A-Za-z])(?![-+][A-Za-z])"
)
_PRODUCT = re.compile(r"([A-Za-z0-9]+)/\Z")
_NO_PRODUCTS = frozenset(("id", "ip", "user", "client", "visitor", "member"))
_VERSION = re.compile(r"(?<![A-Za-z])(?:version|ver|v|build|release|rev|firmware)[ .:=/_-]{1,2}\Z", re.IGNORECASE)
_ADDRESS = re.compile(r"(?<![A-Za-z])(?:ip|ipv4|addr|address|host)[ :=_/-]{1,2}\Z", re.IGNORECASE)
_BEFORE = 12
_WIDE = 100
_MIN_WIDE = 0.25
_MIN_IN_RANGE = 0.75


class Ipv4s:
    """Finds IPv4 addresses; the bare dotted quads of a column stand or fall together."""

    kind = Kind.IPV4

    def __init__(self, column: Column) -> None:
        self._column = column
        self._quads = 0
        self._in_range = 0
        self._wide = 0

    def pick(self, page: Page) -> Page:
        """The lines with three points."""
        return page.only(lambda line: line.count(".") >= 3) if b"0.0" in page.outline else NOTHING

    def look(self, page: Page) -> Iterator[Sighting]:
        """Dotted quads in range, in the groups ``named`` and ``bare``."""
        text = page.text
        for match in _QUAD.finditer(text):
            start = match.start(1)
            before = "" if text[start - 1] == "\n" else text[max(0, start - _BEFORE) : start]
            if before and _is_version(before):
                continue
            parts = match[1].split(".")
            if not _in_range(parts):
                self._quads += 1
            elif match["port"] or self._column.of_addresses or _ADDRESS.search(before):
                yield start, match.end(), "named"
            elif not self._column.of_versions:
                self._quads += 1
                self._in_range += 1
                self._wide += any(int(part) >= _WIDE for part in parts[:3])
                yield start, match.end(), "bare"

    def accepted(self) -> dict[str, float]:
        """``named`` always, ``bare`` where the column is one of addresses."""
        wide = self._wide > 0 and self._wide >= _MIN_WIDE * self._in_range
        bare = wide and self._in_range >= _MIN_IN_RANGE * self._quads
        return {"named": 0.0, "bare": 0.0} if bare else {"named": 0.0}


def _is_version(before: str) -> bool:
    product = _PRODUCT.search(before)
    return bool(product and product[1].lower() not in _NO_PRODUCTS) or _VERSION.search(before) is not None


def _in_range(parts: list[str]) -> bool:
    return all(len(part) <= 3 and int(part) <= 255 and (part == "0" or part[0] != "0") for part in parts)
