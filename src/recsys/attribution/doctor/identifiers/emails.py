"""E-mail addresses (RFC 5321 mailboxes, also with letters of RFC 6531), in ids and amid text.

Each begins at its ``@``: a character of a local part before it, a domain with a top level of letters behind it. What
only looks so is left out: ``logo@2x.png`` (a file), ``package@1.2.3-beta.rc`` (a version), ``git@host:path``.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator

from recsys.attribution.doctor.identifiers.sighting import NOTHING, Kind, Page, Sighting

_LOCAL = r"\w.!#$%&'*+/=?^`{|}~\-"
_ADDRESS = re.compile(
    rf"@(?<=[{_LOCAL}\"]@)"
    r"(?:(?P<domain>(?:\w[\w-]*\.)+)(?P<top>[^\W\d_]{2,63}|xn--[0-9A-Za-z-]+)(?![^\W_])"
    r"|\[(?:IPv6:)?[0-9A-Fa-f:.]{7,45}\])"
)
_SPELT = re.compile(  # jane [at] example [dot] org
    r"(?<=[\w.+\-]) ?[\[({] ?at ?[\])}] ?(?:[\w-]+(?:\.| ?[\[({] ?dot ?[\])}] ?))+[a-z]{2,63}(?![^\W_])", re.IGNORECASE
)
_MARKS = ("@", "at)", "at]", "at}", "at )", "at ]", "AT)", "AT]")
_LOCAL_PART = re.compile(rf"[{_LOCAL}]*\Z")
_LOCAL_ASCII = string.ascii_letters + string.digits + "_.!#$%&'*+/=?^`{|}~-"
_LOCAL_WINDOW = 64  # octets of a local part, RFC 5321 §4.5.3.1.1
_FILES = frozenset((
    "png", "jpg", "jpeg", "gif", "svg", "webp", "avif", "bmp", "ico", "tif", "tiff", "heic", "mp3", "mp4", "webm",
    "pdf", "css", "js", "json", "html", "htm"
))  # fmt: skip
_VERSION = re.compile(r"v?\d+\.\d+\.\d")
_SCALE = re.compile(r"\d(?:\.\d)?x\.")
_PROGRAMS = frozenset(("git", "hg", "svn"))


class Emails:
    """Finds e-mail addresses; each stands for itself, whatever else the column holds."""

    kind = Kind.EMAIL

    def pick(self, page: Page) -> Page:
        """The page, if it has an ``@`` or an ``at`` in brackets."""
        return page if any(mark in page.text for mark in _MARKS) else NOTHING

    def look(self, page: Page) -> Iterator[Sighting]:
        """Mailboxes, and those spelt ``jane (at) example.org``."""
        found = list(_mailboxes(page.text))
        if any(mark in page.text for mark in _MARKS[1:]):
            found += [(match.start(), match.end(), None) for match in _SPELT.finditer(page.text)]
            found.sort()
        return iter(found)

    def accepted(self) -> dict[None, float]:
        """All of them."""
        return {None: 0.0}


def _mailboxes(text: str) -> Iterator[Sighting]:
    for match in _ADDRESS.finditer(text):
        local = _local(text, match.start())
        if not _is_something_else(local, match):
            yield match.start() - len(local), match.end(), None


def _local(text: str, at: int) -> str:
    head = text[max(0, at - _LOCAL_WINDOW) : at]
    local = head[len(head.rstrip(_LOCAL_ASCII)) :]
    if len(local) < len(head) and not head[-len(local) - 1].isascii():
        match = _LOCAL_PART.search(head)
        return match[0] if match else ""
    return local


def _is_something_else(local: str, match: re.Match[str]) -> bool:
    if match["domain"] is None:
        return False
    if _VERSION.match(match["domain"]) or (_SCALE.match(match["domain"]) and match["top"].lower() in _FILES):
        return True
    return local.lower() in _PROGRAMS or match["top"].lower() in _FILES
