"""What a compacted folder tells beside its rows: lines that were not valid, records that are in no log, pseudonyms."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct, field

from recsys.attribution.columns import Role
from recsys.attribution.compact.layout import DEPTH, INVALID, MANIFEST, WORK, day_of, is_part
from recsys.attribution.compact.manifest import Manifest, aliases_of, decoded, read
from recsys.attribution.engine import parquet
from recsys.attribution.sources import SCHEMAS
from recsys.contracts.report import Input, KnownGap
from recsys.errors import InputError
from recsys.eventlog.accept import SHOWN_FAULTS, RefusedLines
from recsys.eventlog.faults import Fault
from recsys.eventlog.reader import LogFile
from recsys.eventlog.remote import Remote, is_url
from recsys.eventlog.validation import validate
from recsys.eventlog.writing.index import Alias
from recsys.objectstore import Store

MOST_LOOKS = 5


class Told(Struct, kw_only=True):
    """``refused``, ``inputs`` and ``faults`` are of the lines that are not valid, as if they were read from the log."""

    gaps: list[KnownGap] = field(default_factory=list)
    aliases: list[Alias] = field(default_factory=list)
    refused: list[RefusedLines] = field(default_factory=list)
    inputs: list[Input] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    @property
    def invalid(self) -> int:
        """How many lines were not valid."""
        return sum(part.invalid for part in self.inputs)


def told(
    specs: Sequence[str], role: Role, scratch: Path, *, max_faults: int = SHOWN_FAULTS
) -> tuple[list[LogFile], Told]:
    """The Parquet files, or objects, behind the specs, and what the compacted folders that hold them tell of the logs
    of ``role``.

    Where not all parts are among the files, because some were not asked for or have been removed, gaps are told that
    touch the days of those that are, and no invalid lines, whose place nobody knows. InputError where a part is there
    that the manifest does not know: a run is just ending, or was cut off.
    """
    files, found, aside = known(specs, role)
    _add_invalid(found, aside, role, scratch, max_faults)
    return files, found


def known(specs: Sequence[str], role: Role) -> tuple[list[LogFile], Told, list[LogFile]]:
    """The same without a look at the lines that are not valid, and the files that hold those.

    A run may end meanwhile, and its parts come one after the other, before the manifest that knows them. So the files
    are looked for before the manifest and after it, until both times the same ones are there: those are all that the
    manifest knows, or there is one that it does not know.
    """
    files = parquet.named_files(specs)
    for _ in range(MOST_LOOKS):
        found, aside = _known([str(file) for file in files], role)
        before, files = files, parquet.named_files(specs)
        if [str(file) for file in files] == [str(file) for file in before]:
            return files, found, aside
    hint = "A run of `recsys-eval compact` is at work there: wait until it has ended."
    raise InputError("files come and go while it is read", where=", ".join(specs)[:200], hint=hint)


def _known(names: Sequence[str], role: Role) -> tuple[Told, list[LogFile]]:
    found, files = Told(), list[LogFile]()
    folders: dict[str, list[str]] = {}
    for name in names:
        folder, path = _split(name)
        folders.setdefault(folder, []).append(path)
    for folder, paths in folders.items():
        if (manifest := _manifest(folder)) is not None:
            _add(found, folder, manifest, paths, role)
            if manifest.parts(role).keys() <= set(paths):
                files += _set_aside(folder, manifest, role)
    return found, files


def _split(name: str) -> tuple[str, str]:
    """The folder, or URL, that would be the compacted one of a part, and where the part is below it."""
    if is_url(name):
        folder, *path = name.rsplit("/", DEPTH)
        return folder, "/".join(path)
    for path in (Path(name), Path(name).resolve()):  # as it was named, where that tells enough
        if ".." not in path.parts and len(path.parents) >= DEPTH:
            folder = path.parents[DEPTH - 1]
            if (folder / MANIFEST).is_file() or (folder / WORK).is_dir():
                return str(folder), path.relative_to(folder).as_posix()
    return str(Path(name).parent), Path(name).name


def _manifest(folder: str) -> Manifest | None:
    if not is_url(folder):
        # Before the first run has ended, there is a work folder and no manifest
        return read(Path(folder) / MANIFEST) or (Manifest() if (Path(folder) / WORK).is_dir() else None)
    store = Store(folder)
    if store.head(MANIFEST) is None:
        return None
    return decoded(b"".join(store.read(MANIFEST)), store.url_of(MANIFEST))


def _add(found: Told, folder: str, manifest: Manifest, paths: Sequence[str], role: Role) -> None:
    parts = manifest.parts(role)
    for path in paths:
        if path not in parts and is_part(Path(path)):
            hint = "A run of `recsys-eval compact` is at work there, or was cut off: wait, or run it again."
            raise InputError("not in the manifest of its folder", where=f"{folder}/{path}", hint=hint)
    found.aliases += aliases_of(manifest, role)
    gaps = [each.gap for each in manifest.gaps if each.gap.log == role]
    if not parts.keys() <= set(paths):
        days = sorted(map(day_of, paths))
        gaps = [gap for gap in gaps if _day(gap.first) <= days[-1] and _day(gap.last) >= days[0]]
    found.gaps += gaps


def _day(instant: datetime) -> str:
    return instant.astimezone(UTC).date().isoformat()


def _set_aside(folder: str, manifest: Manifest, role: Role) -> list[LogFile]:
    paths = [batch.invalid for batch in manifest.of(role) if batch.invalid is not None]
    files = [Remote(Store(folder), path) if is_url(folder) else Path(folder) / path for path in paths]
    for file in files:
        if isinstance(file, Path) and not file.exists():
            hint = f"Put {INVALID} back, or compact the logs anew into another folder."
            raise InputError("lines that are not valid are missing from a compacted folder", where=str(file), hint=hint)
    return files


def _add_invalid(found: Told, files: Sequence[LogFile], role: Role, scratch: Path, max_faults: int) -> None:
    """Check the lines that were set aside once more: their faults are told again, and they are counted."""
    for file in validate(files, SCHEMAS[role], scratch=scratch, hashes=True, max_faults=max_faults):
        found.refused.append(RefusedLines(file.name, file.plain, file.bad))
        found.faults += file.faults
        found.inputs.append(
            Input(role=role, path=file.name, bytes=file.bytes, sha256=file.sha256, rows=file.rows, invalid=file.invalid)
        )
