"""The conductor: surveys the logs, takes what is new in batches, and puts each in place before the next one begins."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from recsys.attribution.columns import Role
from recsys.attribution.compact import plan as plans
from recsys.attribution.compact.batch import Watch, take
from recsys.attribution.compact.layout import MANIFEST, is_part
from recsys.attribution.compact.manifest import Manifest, with_losses
from recsys.attribution.compact.plan import BATCH_BYTES, Plan
from recsys.attribution.compact.publish import Folder
from recsys.attribution.compact.rows import Rows, check_memory_limit
from recsys.errors import InputError, StorageError, UsageError
from recsys.eventlog.faults import Fault
from recsys.eventlog.reader import LogFile, expand_all
from recsys.eventlog.writing import places, swap

ROLES: tuple[Role, ...] = ("exposures", "outcomes", "assignments")


class Done(Struct, kw_only=True):
    """What a run did with the logs of a role. ``valid_rows``: those that the folder holds now, of all runs."""

    role: Role
    rows: int = 0
    invalid: int = 0
    parts: int = 0
    unchanged: int = 0
    unfinished: dict[str, int] = field(default_factory=dict)
    invalid_files: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    valid_rows: int = 0


class Settings(Struct, frozen=True, kw_only=True):
    """``memory_limit``: what the engine may hold before it uses the disk, such as ``1GB``; ``batch_bytes``: how much
    JSONL is sorted at once; ``files``: the functions of ``os`` that change the folder's files."""

    memory_limit: str = "1GB"
    threads: int | None = None
    batch_bytes: int = BATCH_BYTES
    files: Any = os


def compact(
    logs: Mapping[Role, Sequence[str]], output: Path, *, watch: Watch, settings: Settings | None = None
) -> list[Done]:
    """Bring the folder ``output`` up to date with the logs: role → specs (see ``reader.expand``).

    StorageError where another run is at work there, where it is no compacted folder, or where there is no room;
    InputError for a log that cannot be read, or that is no longer what was taken of it. Batches that were put in place
    before stay, and the next run goes on from them.
    """
    settings = settings or Settings()
    check_memory_limit(settings.memory_limit)
    named: dict[Role, list[LogFile]] = {role: _expanded(logs[role], output) for role in ROLES if logs.get(role)}
    with _alone(output, settings.files), tempfile.TemporaryDirectory(prefix="recsys-") as name:
        folder = Folder(output, settings.files)
        manifest = _opened(folder)
        run = _Run(folder, manifest, settings, watch, Path(name))
        made: dict[Role, Plan] = {role: run.plan(role, files) for role, files in named.items()}
        run.note_losses(made.values())
        done = [run.take_all(role, plan) for role, plan in made.items()]
        run.end()
        return [replace(each, valid_rows=run.manifest.valid_rows(each.role)) for each in done]


class _Run:
    """The state of a run: the manifest as it grows."""

    def __init__(self, folder: Folder, manifest: Manifest, settings: Settings, watch: Watch, scratch: Path) -> None:
        self.manifest = manifest
        self._stored = manifest
        self._folder, self._settings, self._watch, self._scratch = folder, settings, watch, scratch

    def plan(self, role: Role, files: Sequence[LogFile]) -> Plan:
        """What is new in these logs."""
        with self._watch(f"reading {role}") as on_progress:
            return plans.plan(role, files, self.manifest, self._scratch, on_progress, self._settings.batch_bytes)

    def note_losses(self, made: Iterable[Plan]) -> None:
        """Add what the indexes beside the logs tell."""
        for plan in made:
            self.manifest = with_losses(self.manifest, plan.gaps, plan.aliases)

    def take_all(self, role: Role, plan: Plan) -> Done:
        """Take the batches of a role, one after the other."""
        done = Done(role=role, unchanged=plan.unchanged, unfinished=plan.unfinished)
        for number, batch in enumerate(plan.batches, 1):
            of = f", {number} of {len(plan.batches)}" if len(plan.batches) > 1 else ""
            with (
                tempfile.TemporaryDirectory(dir=self._scratch) as name,
                closing(self._rows(role, Path(name))) as rows,
                self._folder.working(),
            ):
                taken = take(role, batch, self._folder, rows, Path(name), lambda step, of=of: self._watch(step + of))
                self._commit(replace(self.manifest, batches=[*self.manifest.batches, taken.batch]))
            done.rows += sum(part.rows for part in taken.batch.parts)
            done.invalid += sum(each.invalid for each in taken.batch.inputs)
            done.parts += len(taken.batch.parts)
            done.faults += taken.faults
            if taken.batch.invalid is not None:
                done.invalid_files.append(taken.batch.invalid)
        return done

    def end(self) -> None:
        """Keep losses that were told of logs without a new line."""
        if self.manifest != self._stored:
            with self._folder.working():
                self._commit(self.manifest)

    def _rows(self, role: Role, scratch: Path) -> Rows:
        return Rows(role, scratch, memory_limit=self._settings.memory_limit, threads=self._settings.threads)

    def _commit(self, manifest: Manifest) -> None:
        self._folder.commit(manifest)
        self.manifest = self._stored = manifest


def _expanded(specs: Sequence[str], output: Path) -> list[LogFile]:
    """The logs behind the specs. UsageError for Parquet, and for files of the compacted folder itself."""
    for spec in specs:
        if spec.endswith(".parquet"):
            hint = "Parquet needs no compacting: name the files or their folder as they are to the other commands."
            raise UsageError("only JSONL is compacted", where=spec, hint=hint)
    files = expand_all(specs)
    inside = [file for file in files if isinstance(file, Path) and output.resolve() in file.resolve().parents]
    if inside:
        hint = "Name the logs, or another --output."
        raise UsageError("a file of the compacted folder is no log to compact", where=str(inside[0]), hint=hint)
    return files


@contextmanager
def _alone(output: Path, files: Any) -> Iterator[None]:
    """Make the folder, and hold it against other runs. StorageError where one is at work, or it cannot be made."""
    try:
        places.make_folder(files, output, durable=True)
    except OSError as error:
        raise StorageError("the folder cannot be made", where=str(output), found=error.strerror or str(error)) from None
    with swap.locked(output, wait=False) as is_alone:
        if not is_alone:
            hint = "Wait until it has ended, or name another --output."
            raise StorageError("another run is compacting into it", where=str(output), hint=hint)
        yield


def _opened(folder: Folder) -> Manifest:
    """What the folder holds, after a run that was cut off is completed or undone. StorageError for a folder of other
    things, or with parts that its manifest does not know: nothing of it is touched."""
    others = sorted(path.name for path in folder.path.iterdir() if path != folder.work)
    is_ours = any((base / MANIFEST).exists() for base in (folder.path, folder.work))
    if others and not is_ours:
        hint = "Name a new folder, or one that was compacted into before."
        raise StorageError("not a compacted folder", where=str(folder.path), found=others[0][:80], hint=hint)
    manifest = folder.recover()
    for role in ROLES:
        known = manifest.parts(role)
        for path in sorted((folder.path / role).rglob("*.parquet")):
            if is_part(path) and path.relative_to(folder.path).as_posix() not in known:
                hint = f"Put back the {MANIFEST} that belongs to the folder, or remove the part."
                raise InputError("the manifest does not know this part", where=str(path), hint=hint)
    return manifest
