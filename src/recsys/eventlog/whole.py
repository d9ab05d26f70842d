"""Files that appear whole or not at all: what is written goes to ``<name>.part`` and takes the name at once.

A device or a pipe is written as it is, and a link stays a link to the file that is written.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from recsys.errors import StorageError
from recsys.eventlog.queried import source_of


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Where to write what ``path`` shall hold when the block ends without an error. StorageError where that fails."""
    target = path.resolve() if path.is_file() else path
    part = target if target.exists() and not target.is_file() else target.with_name(f"{target.name}.part")
    try:
        yield part
        if part != target:
            part.replace(target)
    except OSError as error:
        raise StorageError("cannot be written", where=str(path), found=error.strerror or str(error)) from None
    finally:
        if part != target:
            with suppress(OSError):  # where a folder of the path is none, what went wrong is told already
                part.unlink()


def check_output(path: Path, inputs: Iterable[str] = (), *, option: str = "--output") -> None:
    """Before the work for it begins: StorageError for an output that cannot be written, or is one of ``inputs``.
    ``option``: what names it."""
    if path.is_dir():
        raise StorageError("cannot be written", where=str(path), found="a folder", hint="Name a file in it.")
    if not path.parent.is_dir():
        hint = f"Make {path.parent}, or name another {option}."
        raise StorageError("cannot be written", where=str(path), found="no such folder", hint=hint)
    if not os.access(path if path.exists() and not path.is_file() else path.resolve().parent, os.W_OK):
        hint = f"Name another {option}, or ask for the right to write there."
        raise StorageError("cannot be written", where=str(path), found="no permission", hint=hint)
    read = map(source_of, inputs)
    if path.exists() and any(Path(name).exists() and path.samefile(name) for name in read):
        raise StorageError("it would overwrite what is read", where=str(path), hint=f"Name another {option}.")
