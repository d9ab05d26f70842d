"""Bad lines, set aside as they are: nothing that was logged is lost because it was wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from recsys.errors import StorageError
from recsys.eventlog.validation import FileValidation


def write(files: Sequence[FileValidation], target: Path) -> int:
    """Write the bad lines of ``files`` to ``target``, byte for byte, in order; returns how many there are."""
    try:
        with target.open("wb") as out:
            for file in files:
                with file.plain.open("rb") as source:
                    for bad in file.bad:
                        source.seek(bad.offset)
                        _copy_line(source, out, bad.length)
    except OSError as error:
        found = error.strerror or str(error)
        raise StorageError("the bad lines cannot be set aside", where=str(target), found=found) from None
    return sum(file.invalid for file in files)


def _copy_line(source, out, length: int) -> None:  # noqa: ANN001 - binary files
    while length > 0 and (chunk := source.read(min(length, 1 << 20))):
        out.write(chunk)
        length -= len(chunk)
    out.write(b"\n")
