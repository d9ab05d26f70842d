"""What a log tells of itself while it is written. The service makes metrics of it; this base class lets it go by."""

from __future__ import annotations


class Observer:
    """Takes what happens to one log. Methods are called from the thread that writes, and must be quick."""

    def committed(self, lines: int, size: int, seconds: float) -> None:
        """So many lines, of ``size`` bytes in all, were written (and flushed, where that was asked for) at once."""

    def failed(self, lines: int) -> None:
        """So many lines could not be written; whoever waited for them is told."""

    def torn(self, size: int) -> None:
        """So many bytes of an unfinished record were cut off and kept beside the log."""

    def gap(self, count: int) -> None:
        """A gap is over, and recorded: so many records are in no log."""

    def flush_failed(self) -> None:
        """A flush failed; its file is not written to any more."""

    def sealed(self) -> None:
        """A segment was closed."""
