"""``recsys-service log erase``: people who ask for it leave no line in the logs."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recsys.errors import ConfigError, InputError, UsageError

if TYPE_CHECKING:
    from recsys.eventlog.erasure.erase import Erasure
    from recsys.eventlog.erasure.erased_files import Place
    from recsys.objectstore import Store
    from recsys.service.settings import Settings

NOT_FINISHED = 2
"""The exit status where lines of theirs are left."""


def erase(
    subject_file: Annotated[Path, typer.Option(help="A file of raw ids, one a line; user, anonymous or session ids.")],
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Log folders or files; without any, those that the settings name.")
    ] = None,
) -> int:
    """Take every line of some people out of the exposure, outcome and assignment logs, and leave a receipt.

    The ids are hashed under EXPOSURE_HASH_SALT and EXPOSURE_HASH_SALT_PREVIOUS. Archives are searched where the
    settings name them, and not with PATHS. Lines in files that a writer holds stay: then the exit status is 2, and the
    command is to be run again when the day has turned, or the service has stopped.

    **Examples**

        recsys-service log erase --subject-file subjects.txt
        recsys-service log erase --subject-file subjects.txt logs/
    """
    from recsys.eventlog.erasure import erase as erasing
    from recsys.eventlog.pseudonym import pseudonym
    from recsys.service.cli import log_places

    loaded, _ = log_places.log_settings()
    ids = _ids(subject_file)
    places = _places(paths or [])
    names = {pseudonym(salt, each) for salt in _salts(loaded) for each in ids}
    archives = {} if paths else _archives(loaded)
    done = erasing.erase(places, names, count=len(ids), now=datetime.now(UTC), archives=archives)
    for folder in sorted({place.folder for place in places}):
        sys.stdout.write(f"{erasing.write_receipt(folder, done)}\n")
    _tell(done)
    return 0 if done.complete else NOT_FINISHED


def _tell(done: Erasure) -> None:
    for log, lines in sorted(done.lines().items()):
        sys.stderr.write(f"recsys-service: {lines:,} lines erased from the {log} log\n")
    if not done.erased:
        sys.stderr.write("recsys-service: no closed file holds a line of theirs\n")
    for each in done.waiting:
        lines = "1 line stays" if each.lines == 1 else f"{each.lines:,} lines stay"
        what = lines if each.lines else "a note of an earlier pseudonym stays"
        sys.stderr.write(f"recsys-service: {each.file}: {what}\n")
    for file in done.unreadable:
        sys.stderr.write(f"recsys-service: not finished: {file}: cannot be unpacked to its end, and stays as it is\n")
    if done.waiting:
        sys.stderr.write(
            "recsys-service: not finished: run again after the day has turned (UTC), or when the service has stopped\n"
        )


def _ids(path: Path) -> list[str]:
    """The raw ids of a file, each once. No error shows one."""
    hint = "One raw id a line, UTF-8."
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError("cannot be read", where=str(path), found=error.strerror or "", hint=hint) from None
    except UnicodeDecodeError:
        raise InputError("not a list of ids", where=str(path), found="bytes that are no UTF-8", hint=hint) from None
    ids = list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
    if not ids:
        raise InputError("names nobody", where=str(path), found="no id", hint=hint)
    return ids


def _salts(loaded: Settings) -> list[bytes]:
    """The salts of the pseudonyms; ConfigError where there is none yet, for a new one would find nobody."""
    from recsys.eventlog import salt

    if not loaded.hash_salt and not (loaded.data_dir / salt.FILE_NAME).exists():
        hint = "Set the one that the service has: another one finds nobody."
        raise ConfigError("no salt is set", where=salt.VARIABLE, expected="the salt of the logs", hint=hint)
    present = salt.load(loaded.hash_salt, data_dir=loaded.data_dir, production=loaded.production)
    return [present] if not loaded.previous_salt else [present, loaded.previous_salt.encode()]


def _places(paths: list[Path]) -> list[Place]:
    """The logs, whole ones: UsageError for a part of one, whose other parts would keep what is to go."""
    from recsys.eventlog.erasure.erased_files import Place
    from recsys.service.cli import log_places

    found = []
    for place in log_places.places(paths, None):
        whole = place.path.parent if place.is_segment else _log_before(place.path) if place.is_rotated else None
        if whole is not None:
            raise UsageError("this is a part of a log", where=str(place.path), expected=str(whole))
        found.append(Place(place.log, place.path))
    return found


def _log_before(path: Path) -> Path | None:
    """The log that a file was rotated from, as far as indexes tell of one."""
    from recsys.eventlog.audit import sections
    from recsys.eventlog.audit.verify import rotated

    if path.is_dir():
        return None
    logs = [path.with_name(name) for name in sections.scans(path.parent)]
    return next((log for log in logs if log != path and path in rotated(log)), None)


def _archives(loaded: Settings) -> dict[str, Store]:
    from recsys.objectstore import Store

    logs = {"exposure": loaded.exposure, "outcome": loaded.outcome, "assignment": loaded.assignment}
    return {name: Store(log.archive_url) for name, log in logs.items() if log.path is not None and log.archive_url}
