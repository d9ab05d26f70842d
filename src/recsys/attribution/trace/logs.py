"""The logs of a dataset, as they answer questions; each kind in its own way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from recsys.attribution.aliases import resolved
from recsys.attribution.sources import Dataset, Source
from recsys.attribution.trace.near import Sought
from recsys.attribution.trace.rows import ROLES, Answer, Ask, Role, Row
from recsys.contracts.report import KnownGap
from recsys.eventlog.audit import known_loss
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

    @property
    def indexed(self) -> dict[Path, str]:
        """The files beside which indexes may stand, with the names that a person knows."""
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
        told: dict[Role, known_loss.Told] = {
            role: known_loss.read(list(log.indexed)) for role, log in self._logs.items()
        }
        self.aliases = resolved(alias for each in told.values() for alias in each.aliases)
        """Pseudonyms of an earlier salt, with those that stand for them."""
        self.gaps = [_known(role, each, self._logs[role]) for role in told for each in told[role].gaps]
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


def _known(role: Role, told: known_loss.FileGap, log: Log) -> KnownGap:
    gap = told.gap
    return KnownGap(
        log=role, file=log.indexed[Path(told.file)], lost=gap.lost, refused=gap.refused, first=gap.first,
        last=gap.last, reason=gap.reason,
    )  # fmt: skip


def _opened(source: Source, role: Role, scratch: Path) -> Log:
    if source.kind == "parquet":
        from recsys.attribution.engine import parquet
        from recsys.attribution.trace.parquet_logs import ParquetLog

        return ParquetLog(parquet.named_files(source.specs, scratch), role)
    from recsys.attribution.trace.text_logs import TextLog

    return TextLog(source.specs, role, scratch)
