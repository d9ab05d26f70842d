"""Files that appear whole or not at all: what is written goes to ``<name>.part`` and takes the name at once.

A device or a pipe is written as it is, and a link stays a link to the file that is written.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recsys.errors import StorageError


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
            part.unlink(missing_ok=True)
