"""A folder of reports: each run adds one file under a name of its own, and none is ever changed.

Names begin with the time of the run, so they sort by it. A report appears whole under its name, or not at all, and two
runs at once do not meet: the name holds the run's own id.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from recsys.contracts.report import Report
from recsys.errors import InputError, RecsysError, StorageError
from recsys.evaluation import report_files


class Kept(NamedTuple):
    """A report of a history, and the name of its file."""

    name: str
    report: Report


class History(NamedTuple):
    """The reports, oldest first, and in words which files are none."""

    runs: list[Kept]
    unreadable: list[str]


def check(folder: Path) -> None:
    """Make the folder; StorageError where no report can be kept in it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError("cannot be made", where=str(folder), found=error.strerror or str(error)) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise StorageError("cannot be written to", where=str(folder), found="no permission")


def keep(report: Report, folder: Path) -> Path:
    """Add the report; its file. StorageError where it cannot be written, or its name is taken."""
    from recsys.evaluation.render import json

    path = folder / f"{report.created_at:%Y%m%dT%H%M%S.%fZ}-{report.run_id}.json"
    part = folder / f".{path.name}.{os.getpid()}.part"
    try:
        with part.open("xb") as file:
            file.write(json.render(report).encode())
            file.flush()
            os.fsync(file.fileno())
        os.link(part, path)  # unlike a rename it fails where the name is taken
    except FileExistsError:
        raise StorageError("there is such a report already", where=str(path)) from None
    except OSError as error:
        raise StorageError("cannot be written", where=str(path), found=error.strerror or str(error)) from None
    finally:
        with suppress(OSError):
            part.unlink()
    return path


def read(folder: Path, *, mode: str | None = None) -> History:
    """The reports of a folder, of one mode or of all; files that are none are told. InputError where there is no such
    folder."""
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path.is_file())
    except OSError as error:
        raise InputError("cannot be read", where=str(folder), found=error.strerror or str(error)) from None
    runs: list[Kept] = []
    unreadable = []
    for path in paths:
        if path.suffix != ".json":
            unreadable.append(f"{path.name}: not a .json")
            continue
        try:
            runs.append(Kept(path.name, report_files.read(path)))
        except RecsysError as error:
            unreadable.append(f"{path.name}: {error.problem} ({error.found})")
    runs.sort(key=lambda kept: (kept.report.created_at, kept.report.run_id))
    return History([kept for kept in runs if mode in (None, kept.report.mode)], unreadable)


def inputs_hash(report: Report) -> str:
    """A short hash of what the run read: equal where it read the same bytes in the same roles."""
    from hashlib import sha256

    parts: Sequence[tuple[str, str]] = sorted((part.role, part.sha256) for part in report.inputs)
    return sha256(repr(parts).encode()).hexdigest()[:12]
