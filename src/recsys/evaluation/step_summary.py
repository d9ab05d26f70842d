"""The summary of a CI job: Markdown appended to a file that others append to as well, and no longer than it may be."""

from __future__ import annotations

import os
from pathlib import Path

from recsys.errors import StorageError

MOST_BYTES = 1024 * 1024
"""GitHub shows no summary of a step beyond this."""
CUT = "\n\n*The rest is cut: a summary holds 1 MiB. The whole is in the report.*\n"


def append(text: str, path: Path) -> None:
    """Append the text on a line of its own, cut at the end of a line so that the file stays within its limit; it says
    that it is cut. Where nothing fits any more, nothing is added."""
    try:
        begun = "" if _ends_a_line(path) else "\n"
        with path.open("ab") as file:
            file.write(fitting(f"{begun}{text}", MOST_BYTES - os.fstat(file.fileno()).st_size))
    except OSError as error:
        raise StorageError("cannot be written", where=str(path), found=error.strerror or str(error)) from None


def _ends_a_line(path: Path) -> bool:
    """Whether what is appended begins on a line of its own; of a device nobody knows."""
    if not path.is_file() or not path.stat().st_size:
        return True
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def fitting(text: str, room: int) -> bytes:
    """The text in at most so many bytes."""
    whole = text.encode("utf-8", "backslashreplace")
    if len(whole) <= room:
        return whole
    rest = room - len(CUT.encode())
    if rest <= 0:
        return b""
    kept = whole[:rest]
    end = kept.rfind(b"\n")
    kept = kept[:end] if end >= 0 else kept.decode("utf-8", "ignore").encode()
    return kept + CUT.encode()
