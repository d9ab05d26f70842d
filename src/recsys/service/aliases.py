"""While the salt of the pseudonyms changes: who was known by which pseudonym before, noted beside the log once each."""

from __future__ import annotations

from recsys.eventlog.pseudonym import pseudonym
from recsys.eventlog.writing.index import Alias
from recsys.eventlog.writing.writer import LogWriter

REMEMBERED = 500_000
"""So many subjects are not noted again; then all are, once more. A note that stands twice does no harm."""


class Aliases:
    """Notes aliases into the index of one log. ``previous``: the salt before this one; None: nothing is noted."""

    def __init__(self, writer: LogWriter | None, previous: bytes | None) -> None:
        self._writer = writer
        self._previous = previous
        self._noted: set[str] = set()

    def note(self, identifier: str, current: str) -> None:
        """A raw identifier is known by the pseudonym ``current`` now."""
        if self._previous is None or self._writer is None or current in self._noted:
            return
        if len(self._noted) >= REMEMBERED:
            self._noted.clear()
        self._noted.add(current)
        self._writer.note_alias(Alias(previous=pseudonym(self._previous, identifier), current=current))
