"""Where the logs are that a command is about: named on the command line, or configured in the environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from recsys.errors import ConfigError, InputError, UsageError
from recsys.eventlog.writing import index as indexes
from recsys.eventlog.writing.segment import PACKED, index_of, parse
from recsys.eventlog.writing.shared import indexes_of
from recsys.service import settings as settings_module
from recsys.service.settings import Settings

LOGS = ("exposure", "outcome", "assignment")


class Place(Struct, frozen=True, kw_only=True):
    """One log. ``archived``: its closed segments are moved to an archive."""

    log: str
    path: Path
    archived: bool = False

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder of segments."""
        return self.path.is_dir()

    @property
    def is_segment(self) -> bool:
        """Whether it is one segment of a folder."""
        return parse(self.path.name) is not None and index_of(self.path).exists()

    @property
    def is_rotated(self) -> bool:
        """Whether it is a file that has no indexes under its own name, though others in its folder may have."""
        return self.path.exists() and not indexes_of(self.path)

    def bytes(self) -> int:
        """About how much there is to read."""
        try:
            found = self.path.iterdir() if self.is_folder else [self.path]
            return sum(each.stat().st_size for each in found if each.suffix in (".jsonl", PACKED))
        except OSError:  # a file went away meanwhile: this is only for the progress bar
            return 0


def places(paths: Sequence[Path], only: str | None) -> list[Place]:
    """The logs to look at. UsageError, InputError or ConfigError where there are none."""
    if not paths:
        return _configured(only)
    known = {place.path.resolve(): place for place in _of_settings(_settings_or_none())}
    return [place for path in paths for place in _at(path, only, known)]


def one(paths: Sequence[Path], only: str | None) -> Place:
    """The one log to look at; UsageError where several are named. Of the configured ones it is the first."""
    found = places(paths, only)
    if len(found) > 1 and paths:
        raise UsageError(
            "only one log can be followed", found=", ".join(f"{place.log} {place.path}" for place in found),
            hint="Name one with --log.",
        )  # fmt: skip
    return found[0]


def _configured(only: str | None) -> list[Place]:
    settings, warnings = log_settings()
    for warning in warnings:
        sys.stderr.write(f"recsys-service: {warning}\n")
    found = [place for place in _of_settings(settings) if only in (None, place.log)]
    if not found:
        name = f"{(only or 'exposure').upper()}_LOG_PATH"
        raise ConfigError("no log is configured", where=name, found="nothing", hint="Set it, or name a folder or file.")
    return [place for place in found if _is_there(place, needed=len(found) == 1)] or found[:1]


def _is_there(place: Place, *, needed: bool) -> bool:
    if place.path.exists() or indexes_of_gone(place.path):
        return True
    if needed:
        raise InputError("there is no log yet", where=str(place.path), hint="It is made with its first line.")
    sys.stderr.write(f"recsys-service: there is no {place.log} log yet: {place.path}\n")
    return False


def indexes_of_gone(path: Path) -> bool:
    """Whether indexes tell of a file that is gone."""
    return path.parent.is_dir() and bool(indexes_of(path))


def log_settings() -> tuple[Settings, list[str]]:
    """The settings of the environment, whatever its database is: logs need none."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("DATABASE_URL")}
    return settings_module.load(plain | {"DATABASE_URL": "postgresql://unused/unused"})


def _settings_or_none() -> Settings | None:
    try:
        return log_settings()[0]
    except ConfigError:  # of something else than the logs that are named
        return None


def _of_settings(settings: Settings | None) -> list[Place]:
    if settings is None:
        return []
    described = dict(zip(LOGS, (settings.exposure, settings.outcome, settings.assignment), strict=True))
    return [
        Place(log=log, path=Path(found.path), archived=found.archive_url is not None)
        for log, found in described.items()
        if found.path is not None
    ]


def _at(path: Path, only: str | None, known: Mapping[Path, Place]) -> list[Place]:
    if path.is_dir():
        logs = [only] if only else _logs_in(path)
        if not logs:
            raise InputError("the folder holds no log", where=str(path), expected="files such as exposure-DAY.W.jsonl")
        archived = any(found == path.resolve() and place.archived for found, place in known.items())
        return [Place(log=log, path=path, archived=archived) for log in logs]
    if not path.exists() and not indexes_of_gone(path):
        raise InputError("no such file or folder", where=str(path))
    return [Place(log=only or _log_of(path), path=path)]


def _logs_in(folder: Path) -> list[str]:
    """The logs in a folder by the names of its files, in the order of their use."""
    names = [parse(path.name) for path in folder.iterdir()]
    found = {name.log for name in names if name is not None}
    return sorted(found, key=lambda log: (LOGS.index(log) if log in LOGS else len(LOGS), log))


def _log_of(path: Path) -> str:
    """Which log a file is, by its name or its indexes; the exposure log where neither tells."""
    name = parse(path.name)
    if name is not None:
        return name.log
    headers = (indexes.read_header(index) for index in indexes_of(path))
    return next((header.log for header in headers if header is not None), "exposure")
