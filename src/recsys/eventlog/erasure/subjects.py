"""Whose lines an erasure takes out: told by pseudonym, and by the requests that were theirs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Struct

from recsys.eventlog.writing.index import Alias

_PSEUDONYM = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_BEGUN = re.compile(rb"(?<![0-9a-f])[0-9a-f]{8,63}$")


class _Row(Struct):
    """What is looked at of a line of any log."""

    request_id: Any = None
    user_id: Any = None
    subject: Any = None


_decode = msgspec.json.Decoder(_Row).decode


class Theirs(Struct, frozen=True):
    """A line of theirs: the request it is of ("" where that cannot be read), and whether their pseudonym is in it."""

    request_id: str
    by_name: bool


class Subjects:
    """The pseudonyms to erase; ``requests`` are those of their exposures, as far as these were found."""

    def __init__(self, pseudonyms: Iterable[str]) -> None:
        self.pseudonyms = set(pseudonyms)
        self.requests: set[str] = set()

    def learn(self, aliases: Iterable[Alias]) -> None:
        """Take in what else they were known by, under older salts."""
        pairs = list(aliases)
        size = -1
        while size < len(self.pseudonyms):
            size = len(self.pseudonyms)
            for alias in pairs:
                if alias.previous in self.pseudonyms or alias.current in self.pseudonyms:
                    self.pseudonyms |= {alias.previous, alias.current}

    def own(self, line: bytes) -> Theirs | None:
        """What a line is of theirs; None where it is somebody else's."""
        try:
            row = _decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return Theirs("", by_name=True) if self.leave_a_trace_in(line) else None
        request = row.request_id if isinstance(row.request_id, str) else ""
        names = [row.user_id, *(row.subject.values() if isinstance(row.subject, dict) else ())]
        by_name = any(isinstance(name, str) and name in self.pseudonyms for name in names)
        return Theirs(request, by_name) if by_name or request in self.requests else None

    def leave_a_trace_in(self, text: bytes) -> bool:
        """Whether bytes hold a pseudonym of theirs, or end within what may be one."""
        if any(found.decode() in self.pseudonyms for found in _PSEUDONYM.findall(text)):
            return True
        begun = _BEGUN.search(text)
        return begun is not None and any(name.startswith(begun[0].decode()) for name in self.pseudonyms)

    def without_traces(self, torn: bytes) -> bytes:
        """What was cut off logs, without the parts of theirs."""
        return b"".join(
            part for part in torn.splitlines(keepends=True) if not self.leave_a_trace_in(part.rstrip(b"\n"))
        )
