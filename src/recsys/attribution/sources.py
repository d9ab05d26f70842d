"""Where the logs are: named by options or by a dataset YAML, and validated before any engine sees them."""

from __future__ import annotations

import glob
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from recsys.attribution import documents
from recsys.attribution.aliases import resolved
from recsys.contracts.report import Input, KnownGap
from recsys.errors import ConfigError, UsageError, nearest
from recsys.eventlog.accept import SHOWN_FAULTS, accept, copy_of_checked
from recsys.eventlog.audit import known_loss
from recsys.eventlog.faults import Fault
from recsys.eventlog.reader import SUFFIXES
from recsys.eventlog.remote import is_url
from recsys.eventlog.validation import Progress
from recsys.eventlog.writing.index import Alias

Kind = Literal["jsonl", "parquet"]
ROLES = ("exposures", "outcomes", "assignments")
SCHEMAS = {"exposures": "exposure.v1", "outcomes": "outcome.v1", "assignments": "assignment.v1"}
KINDS = ("jsonl", "parquet")
LATER_KINDS = ("postgres", "duckdb")
MAX_SLICE_KEYS = 8
DEFAULT_SLICE_KEYS = ("tenant_id", "surface")


class Source(Struct, frozen=True):
    """Files of one role: all JSONL (plain, .gz, .zst, folders, globs), or all Parquet."""

    kind: Kind
    specs: list[str]


class Dataset(Struct, frozen=True, kw_only=True):
    """The logs of an evaluation, and the catalogue where there is one."""

    exposures: Source
    outcomes: Source
    assignments: Source | None = None
    items: str | None = None


class Accepted(Struct, frozen=True, kw_only=True):
    """Files of one role that hold valid rows only (JSONL), or of which a query takes the valid ones (Parquet).

    ``sizes``: the bytes of each that were checked; empty for Parquet, whose files are not written to any more.
    """

    kind: Kind
    paths: list[Path]
    rows: int
    invalid: int
    sizes: list[int] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether a file is longer or shorter than it was when it was checked, as a log that is still written to."""
        return any(path.stat().st_size != size for path, size in zip(self.paths, self.sizes, strict=False))


class AcceptedDataset(Struct, frozen=True, kw_only=True):
    """What may reach the engine, by role, with an account of what was read, what was refused, and what is in no log.

    ``aliases``: pseudonyms of an earlier salt, with those that stand for them.
    """

    exposures: Accepted
    outcomes: Accepted
    assignments: Accepted | None
    items: str | None
    inputs: list[Input]
    faults: list[Fault]
    gaps: list[KnownGap] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)


def from_options(
    exposures: Sequence[str] | None,
    outcomes: Sequence[str] | None,
    assignments: Sequence[str] | None = None,
    dataset: str | None = None,
    items: str | None = None,
) -> Dataset:
    """The dataset that the command line names; UsageError where it names none, or two."""
    if dataset is not None:
        if exposures or outcomes or assignments:
            raise UsageError("--dataset names the logs, and so do the other options", hint="Give one or the other.")
        found = read(dataset)
        return found if items is None else Dataset(
            exposures=found.exposures, outcomes=found.outcomes, assignments=found.assignments, items=items
        )  # fmt: skip
    for option, value in (("--exposures", exposures), ("--outcomes", outcomes)):
        if not value:
            raise UsageError(f"{option} is missing", expected="--exposures F --outcomes F, or --dataset D.yaml")
    return Dataset(
        exposures=_source(list(exposures or [])),
        outcomes=_source(list(outcomes or [])),
        assignments=_source(list(assignments)) if assignments else None,
        items=items,
    )


def read(path: str) -> Dataset:
    """The dataset of a YAML file. Relative paths in it are relative to the file. ConfigError names what is wrong."""
    document = documents.read(path)
    documents.check_keys(document, [*ROLES, "items"], path, later=["interleaving"])
    base = Path(path).parent
    sources = {role: _described(document[role], f"{path}: {role}", base) for role in ROLES if role in document}
    for role in ("exposures", "outcomes"):
        if role not in sources:
            raise ConfigError("a log is missing", where=path, expected=f"{role}: {{type: jsonl, path: …}}")
    items = document.get("items")
    if items is not None and not isinstance(items, str):
        raise ConfigError("not a path", where=f"{path}: items", found=documents.type_name(items), expected="a path")
    return Dataset(
        exposures=sources["exposures"],
        outcomes=sources["outcomes"],
        assignments=sources.get("assignments"),
        items=None if items is None else _below(base, items),
    )


def _described(value: Any, where: str, base: Path) -> Source:
    if isinstance(value, str):
        return _source([_below(base, value)])
    if not isinstance(value, dict):
        raise ConfigError("not a log", where=where, found=documents.type_name(value), expected="{type: …, path: …}")
    documents.check_keys(value, ["type", "path"], where, later=["dsn", "query"])
    if "path" not in value:
        raise ConfigError("the path is missing", where=where, expected="path: a file, a folder or a glob")
    specs = [_below(base, word) for word in documents.words(value["path"], f"{where}.path")]
    if not specs:
        raise ConfigError(
            "the path is missing", where=f"{where}.path", found="an empty list", expected="a file or more"
        )
    kind = value.get("type")
    if kind is None:
        return _source(specs)
    if kind in LATER_KINDS:
        raise ConfigError(
            "not available in this version", where=f"{where}.type", found=kind, expected=" or ".join(KINDS)
        )
    if kind not in KINDS:
        raise ConfigError("unknown type", where=f"{where}.type", found=repr(kind), hint=nearest(str(kind), KINDS))
    return Source(kind, specs)


def _below(base: Path, spec: str) -> str:
    """A spec of a file in the folder ``base``: a relative path is relative to it, a URL is what it is."""
    return spec if is_url(spec) else str(base / spec)


def _source(specs: list[str]) -> Source:
    parquet = {name.endswith(".parquet") for spec in specs for name in _names(spec)}
    if len(parquet) > 1:
        hint = "Give files of one kind; of a folder give a glob, such as 'logs/*.jsonl'."
        raise UsageError("a log is either JSONL or Parquet", found=f"both in {', '.join(specs)}", hint=hint)
    return Source("parquet" if parquet == {True} else "jsonl", specs)


def _names(spec: str) -> list[str]:
    """The names of the logs behind a spec, as far as there are any; of a folder those that end as logs do."""
    if is_url(spec):
        return [spec]
    path = Path(spec)
    if path.is_dir():
        return [file.name for file in path.iterdir() if file.name.endswith((*SUFFIXES, ".parquet"))]
    if path.exists():
        return [spec]
    return glob.glob(spec, recursive=True) or [spec]  # noqa: PTH207 - absolute patterns too


def accept_dataset(
    dataset: Dataset, scratch: Path, on_progress: Progress | None = None, *, max_faults: int = SHOWN_FAULTS
) -> AcceptedDataset:
    """Validate all logs. Only accepted rows are handed on; the others are counted, and of each file the first
    ``max_faults`` faults kept."""
    inputs: list[Input] = []
    faults: list[Fault] = []
    gaps: list[KnownGap] = []
    aliases: list[Alias] = []

    def of(role: Literal["exposures", "outcomes", "assignments"]) -> Accepted | None:
        source: Source | None = getattr(dataset, role)
        if source is None:
            return None
        if source.kind == "parquet":
            from recsys.attribution.engine import parquet

            done, sizes = parquet.accept(source.specs, role, max_faults=max_faults), []
        else:
            done = accept(
                source.specs, SCHEMAS[role], scratch=scratch, role=role, on_progress=on_progress, max_faults=max_faults
            )
            sizes = done.sizes
            told = known_loss.read(done.logs)
            names = {str(log): part.path for log, part in zip(done.logs, done.inputs, strict=True)}
            gaps.extend(_known(role, each, names[each.file]) for each in told.gaps)
            aliases.extend(told.aliases)
        inputs.extend(done.inputs)
        faults.extend(done.faults)
        return Accepted(kind=source.kind, paths=done.paths, rows=done.rows, invalid=done.invalid, sizes=sizes)

    exposures, outcomes, assignments = of("exposures"), of("outcomes"), of("assignments")
    assert exposures is not None, "a dataset has exposures"  # noqa: S101 - its type says so
    assert outcomes is not None, "a dataset has outcomes"  # noqa: S101 - its type says so
    return AcceptedDataset(
        exposures=exposures,
        outcomes=outcomes,
        assignments=assignments,
        items=dataset.items,
        inputs=inputs,
        faults=faults,
        gaps=gaps,
        aliases=resolved(aliases),
    )


def _known(role: Literal["exposures", "outcomes", "assignments"], told: known_loss.FileGap, file: str) -> KnownGap:
    gap = told.gap
    return KnownGap(
        log=role, file=file, lost=gap.lost, refused=gap.refused, first=gap.first, last=gap.last, reason=gap.reason
    )


def as_checked(log: Accepted, scratch: Path) -> Accepted:
    """The log with copies, in a folder of ``scratch``, of what was checked of the files that have grown since.

    InputError where one has shrunk.
    """
    if not log.changed:
        return log
    folder = Path(tempfile.mkdtemp(dir=scratch))
    paths = [
        copy_of_checked(path, size, folder / f"{number}.jsonl") if path.stat().st_size != size else path
        for number, (path, size) in enumerate(zip(log.paths, log.sizes, strict=True))
    ]
    return replace(log, paths=paths)
