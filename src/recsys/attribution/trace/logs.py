"""The logs of a dataset, as they answer questions; each kind in its own way."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from recsys.attribution.aliases import resolved
from recsys.attribution.sources import Dataset, Source
from recsys.attribution.trace.near import Sought
from recsys.attribution.trace.rows import ROLES, Answer, Ask, Losses, Role, Row
from recsys.eventlog.validation import Progress


class Log(Protocol):
    """The log of one role."""

    @property
    def role(self) -> Role:
        """What its rows are."""
        ...

    @property
    def names(self) -> list[str]:
        """Its files, as a person knows them."""
        ...

    def losses(self) -> Losses:
        """What is told of records that are in no log, and of pseudonyms of an earlier salt."""
        ...

    def ask(self, ask: Ask, on_progress: Progress | None = None) -> Answer:
        """The rows that are asked for."""
        ...

    def number(self, rows: Sequence[Row]) -> None:
        """Give rows of it the numbers of their lines."""
        ...

    def span(self) -> tuple[int, int] | None:
        """From when to when it is, roughly, in microseconds since 1970; None where that is not known."""
        ...

    def resembling(self, sought: Sought) -> set[str]:
        """Some ids of requests that resemble the one sought."""
        ...


class Logs:
    """The logs by role, and what the indexes beside them tell."""

    def __init__(self, dataset: Dataset, scratch: Path, on_progress: Progress | None = None) -> None:
        """InputError where a log cannot be read, or holds other records."""
        self._logs: dict[Role, Log] = {}
        for role in ROLES:
            source: Source | None = getattr(dataset, role)
            if source is not None:
                self._logs[role] = _opened(source, role, scratch)
        told = [log.losses() for log in self._logs.values()]
        self.aliases = resolved(alias for each in told for alias in each.aliases)
        """Pseudonyms of an earlier salt, with those that stand for them."""
        self.gaps = [gap for each in told for gap in each.gaps]
        self._on_progress = on_progress

    @property
    def names(self) -> dict[Role, list[str]]:
        """The files of each role."""
        return {role: log.names for role, log in self._logs.items()}

    def ask(self, asks: dict[Role, Ask]) -> dict[Role, Answer]:
        """What each log answers; nothing of one that is not asked, or not there."""
        return {role: log.ask(asks[role], self._on_progress) for role, log in self._logs.items() if role in asks}

    def number(self, rows: Sequence[Row]) -> None:
        """Give rows the numbers of their lines."""
        for role, log in self._logs.items():
            log.number([row for row in rows if row.role == role and not row.line])

    def span(self, role: Role) -> tuple[int, int] | None:
        """From when to when a log is; None where that is not known, or there is none."""
        return self._logs[role].span() if role in self._logs else None

    def resembling(self, sought: Sought) -> set[str]:
        """Some ids of requests, of whichever log, that resemble the one sought."""
        return {request for log in self._logs.values() for request in log.resembling(sought)}

    def present(self, user_id: str) -> str:
        """The pseudonym that stands for this one now."""
        return self.aliases.get(user_id, user_id)

    def all_names(self, user_ids: frozenset[str]) -> frozenset[str]:
        """All pseudonyms of the people behind these."""
        now = {self.present(user) for user in user_ids}
        return user_ids | now | {before for before, present in self.aliases.items() if present in now}


def _opened(source: Source, role: Role, scratch: Path) -> Log:
    match source.kind:
        case "jsonl":
            from recsys.attribution.trace.text_logs import TextLog

            return TextLog.of_specs(source.specs, role, scratch)
        case "parquet":
            from recsys.attribution.compact.told import known
            from recsys.attribution.engine import parquet
            from recsys.attribution.trace.parquet_logs import ParquetLog

            files, told, aside = known(source.specs, role)
            return ParquetLog(parquet.local(files, scratch), role, scratch, told, aside)
        case "duckdb":
            return _of_duckdb(source, role, scratch)
        case "postgres":
            from recsys.attribution.trace.postgres_logs import PostgresLog

            return PostgresLog(source, role, scratch)


def _of_duckdb(source: Source, role: Role, scratch: Path) -> Log:
    from recsys.attribution.queries import duckdb_file
    from recsys.attribution.trace.parquet_logs import ParquetLog
    from recsys.eventlog import queried

    [file] = source.specs
    name = queried.name_of(file, role, source.query)
    rows = Path(tempfile.mkdtemp(dir=scratch)) / "rows.parquet"
    duckdb_file.write_rows(file, source.query, role, rows, name)
    return ParquetLog([(rows, name)], role, scratch)
