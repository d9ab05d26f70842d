"""Bad lines, set aside as they are: nothing that was logged is lost because it was wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from recsys.errors import StorageError
from recsys.eventlog.validation import FileValidation


def write(files: Sequence[FileValidation], target: Path) -> int:
    """Write the bad lines of ``files`` to ``target``, byte for byte, in order; returns how many there are.

    StorageError where it cannot be written, or is one of the files themselves.
    """
    if target.exists() and any(target.samefile(file.plain) or _is_named(target, file.name) for file in files):
        raise StorageError("the bad lines would overwrite the log", where=str(target), hint="Name another file.")
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


def _is_named(target: Path, name: str) -> bool:
    return Path(name).exists() and target.samefile(name)


def _copy_line(source, out, length: int) -> None:  # noqa: ANN001 - binary files
    while length > 0 and (chunk := source.read(min(length, 1 << 20))):
        out.write(chunk)
        length -= len(chunk)
    out.write(b"\n")
