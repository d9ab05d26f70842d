"""The indexes of a log that is one file whose files are gone: rotation removes the oldest files, and knows nothing of
what stands beside them."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import Any

from recsys.eventlog.audit import verify
from recsys.eventlog.audit.layout import Scan


def prune(path: Path, *, files: Any = os) -> list[Path]:
    """Remove the spent indexes of the log ``path``; returns them. OSError where that cannot be done.

    An index is spent when its writer has ended, it holds no gap that is still to be recorded, and all files that it
    tells of are gone and older than the oldest that is there, under whatever name, packed or not. One that tells of a
    younger file stays: that one is lost, and `log verify` says so by it.
    """
    return [scan.path for scan in verify.spent(path) if not scan.pending and _removed(scan, files)]


def _removed(scan: Scan, files: Any) -> bool:
    with contextlib.suppress(FileNotFoundError, BlockingIOError):  # gone already; its writer lives
        fd = files.open(scan.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            files.unlink(scan.path)
        finally:
            files.close(fd)
        return True
    return False
