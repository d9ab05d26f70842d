"""Where the logs are: named by options or by a dataset YAML, and validated before any engine sees them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from recsys.attribution import documents
from recsys.attribution.aliases import resolved
from recsys.attribution.columns import Role
from recsys.attribution.named import Source, below, described, of_specs
from recsys.attribution.slice_keys import DEFAULT_SLICE_KEYS as DEFAULT_SLICE_KEYS
from recsys.attribution.slice_keys import MAX_SLICE_KEYS as MAX_SLICE_KEYS
from recsys.contracts.report import Input, KnownGap
from recsys.errors import ConfigError, UsageError
from recsys.eventlog import queried
from recsys.eventlog.accept import SHOWN_FAULTS, Origin, RefusedLines, accept, copy_of_checked
from recsys.eventlog.audit import known_loss
from recsys.eventlog.faults import Fault
from recsys.eventlog.validation import Progress
from recsys.eventlog.writing.index import Alias

if TYPE_CHECKING:
    from recsys.attribution.engine.parquet import AcceptedParquet

Kind = Literal["jsonl", "parquet"]
"""What is handed on: rows of a database are one of them by then."""
ROLES: tuple[Role, ...] = ("exposures", "outcomes", "assignments")
SCHEMAS: dict[Role, str] = {"exposures": "exposure.v1", "outcomes": "outcome.v1", "assignments": "assignment.v1"}


class Dataset(Struct, frozen=True, kw_only=True):
    """The logs of an evaluation, and the catalogue where there is one."""

    exposures: Source
    outcomes: Source
    assignments: Source | None = None
    items: str | None = None


class Accepted(Struct, frozen=True, kw_only=True):
    """Files of one role that hold valid rows only (JSONL), or of which a query takes the valid ones (Parquet).

    ``left_in``: of the ``invalid`` rows, those that stand in the Parquet files. ``origins``: of each file, where its
    rows come from. ``sizes``: the bytes of each that were checked; empty for Parquet, whose files are not written to.
    """

    kind: Kind
    paths: list[Path]
    rows: int
    invalid: int
    left_in: int = 0
    origins: list[Origin] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether a file is longer or shorter than it was when it was checked, as a log that is still written to."""
        return any(path.stat().st_size != size for path, size in zip(self.paths, self.sizes, strict=False))


class AcceptedDataset(Struct, frozen=True, kw_only=True):
    """What may reach the engine, by role, with an account of what was read, what was refused, and what is in no log.

    ``refused``: log → its lines that are not valid. ``aliases``: pseudonyms of an earlier salt, with those that stand
    for them.
    """

    exposures: Accepted
    outcomes: Accepted
    assignments: Accepted | None
    items: str | None
    inputs: list[Input]
    faults: list[Fault]
    refused: dict[str, list[RefusedLines]] = field(default_factory=dict)
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
        exposures=of_specs(list(exposures or [])),
        outcomes=of_specs(list(outcomes or [])),
        assignments=of_specs(list(assignments)) if assignments else None,
        items=items,
    )


def read(path: str) -> Dataset:
    """The dataset of a YAML file. Relative paths in it are relative to the file. ConfigError names what is wrong."""
    document = documents.read(path)
    documents.check_keys(document, [*ROLES, "items"], path, later=["interleaving"])
    base = Path(path).parent
    sources = {role: described(document[role], f"{path}: {role}", base) for role in ROLES if role in document}
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
        items=None if items is None else below(base, items),
    )


def accept_dataset(
    dataset: Dataset, scratch: Path, on_progress: Progress | None = None, *, max_faults: int = SHOWN_FAULTS
) -> AcceptedDataset:
    """Validate all logs. Only accepted rows are handed on; the others are counted, and of each file the first
    ``max_faults`` faults kept. Rows of databases, and objects, are brought into ``scratch`` first."""
    account = _Account(scratch, on_progress, max_faults)
    exposures, outcomes = account.of("exposures", dataset.exposures), account.of("outcomes", dataset.outcomes)
    assignments = None if dataset.assignments is None else account.of("assignments", dataset.assignments)
    return AcceptedDataset(
        exposures=exposures,
        outcomes=outcomes,
        assignments=assignments,
        items=dataset.items,
        inputs=account.inputs,
        faults=account.faults,
        refused=account.refused,
        gaps=account.gaps,
        aliases=resolved(account.aliases),
    )


class _Account:
    """What is told of the logs while they are accepted, one role after the other."""

    def __init__(self, scratch: Path, on_progress: Progress | None, max_faults: int) -> None:
        self._scratch = scratch
        self._on_progress = on_progress
        self._max_faults = max_faults
        self.inputs: list[Input] = []
        self.faults: list[Fault] = []
        self.gaps: list[KnownGap] = []
        self.refused: dict[str, list[RefusedLines]] = {}
        self.aliases: list[Alias] = []

    def of(self, role: Role, source: Source) -> Accepted:
        """What is accepted of a log."""
        match source.kind:
            case "jsonl":
                return self._lines(role, source.specs)
            case "parquet":
                return self._parquet(role, source.specs)
            case "postgres":
                return self._of_postgres(role, source)
            case "duckdb":
                return self._of_duckdb(role, source)

    def _lines(self, role: Role, specs: list[str], name: str = "") -> Accepted:
        """What is accepted of files of JSON lines; of one of our own making it is told under ``name``."""
        done = accept(
            specs, SCHEMAS[role], scratch=self._scratch, role=role, on_progress=self._on_progress,
            max_faults=self._max_faults, name=name,
        )  # fmt: skip
        self.inputs += done.inputs
        self.faults += done.faults
        self.refused[role] = done.refused
        told = known_loss.read(done.logs)
        names = {str(log): part.path for log, part in zip(done.logs, done.inputs, strict=True)}
        self.gaps += [_known(role, each, names[each.file]) for each in told.gaps]
        self.aliases += told.aliases
        return Accepted(
            kind="jsonl", paths=done.paths, rows=done.rows, invalid=done.invalid, origins=done.origins, sizes=done.sizes
        )

    def _table(self, done: AcceptedParquet) -> Accepted:
        self.inputs += done.inputs
        self.faults += done.faults
        return Accepted(
            kind="parquet", paths=done.paths, rows=done.rows, invalid=done.invalid, left_in=done.invalid,
            origins=done.origins,
        )  # fmt: skip

    def _parquet(self, role: Role, specs: list[str]) -> Accepted:
        """What is accepted of Parquet files, with what compacted folders tell of the logs that these were made of: the
        lines that are not valid count as if the logs themselves were read."""
        from recsys.attribution.compact.told import told
        from recsys.attribution.engine import parquet

        files, known = told(specs, role, self._scratch, max_faults=self._max_faults)
        done = parquet.accept_files(
            parquet.local(files, self._scratch), role, self._scratch, max_faults=self._max_faults
        )
        table = self._table(done)
        self.inputs += known.inputs
        self.faults += known.faults
        self.refused[role] = known.refused
        self.gaps += known.gaps
        self.aliases += known.aliases
        return replace(table, rows=table.rows + known.invalid, invalid=table.invalid + known.invalid)

    def _of_postgres(self, role: Role, source: Source) -> Accepted:
        from recsys.attribution.queries import postgres

        name = queried.name_of("postgres", role, source.query)
        rows = Path(tempfile.mkdtemp(dir=self._scratch)) / "rows.jsonl"
        postgres.write_rows(source.dsn, source.query, role, rows, name)
        return self._lines(role, [str(rows)], name)

    def _of_duckdb(self, role: Role, source: Source) -> Accepted:
        from recsys.attribution.engine import parquet
        from recsys.attribution.queries import duckdb_file

        [file] = source.specs
        name = queried.name_of(file, role, source.query)
        rows = Path(tempfile.mkdtemp(dir=self._scratch)) / "rows.parquet"
        duckdb_file.write_rows(file, source.query, role, rows, name)
        done = parquet.accept_files([(rows, name)], role, self._scratch, max_faults=self._max_faults)
        return self._table(done)


def _known(role: Role, told: known_loss.FileGap, file: str) -> KnownGap:
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
