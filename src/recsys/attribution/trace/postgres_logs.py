"""A log that a query of PostgreSQL gives: the database looks for the rows, and only those come here."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from recsys.attribution.named import Source
from recsys.attribution.queries import in_brackets, postgres
from recsys.attribution.trace import heads
from recsys.attribution.trace.near import Sought
from recsys.attribution.trace.rows import Answer, Ask, Losses, Role, Row
from recsys.attribution.trace.text_logs import TextLog
from recsys.eventlog import queried
from recsys.eventlog.validation import Progress

MOST_IDS = 2_000


class PostgresLog:
    """The rows of a query. They have no lines: a row is known by what it holds, and of equal rows by their count."""

    def __init__(self, source: Source, role: Role, scratch: Path) -> None:
        """ConfigError, StorageError or InputError as ``postgres.columns``."""
        self.role: Role = role
        self._source = source
        self._name = queried.name_of("postgres", role, source.query)
        self._scratch = scratch
        columns = postgres.columns(source.dsn, source.query, role, self._name)
        self._types = {column.name: column.type for column in columns}
        self._numbers: dict[tuple[bytes, int], int] = {}

    @property
    def names(self) -> list[str]:
        """The query, as reports name it."""
        return [self._name]

    def losses(self) -> Losses:
        """Nothing: a database has no indexes of a log."""
        return Losses()

    def ask(self, ask: Ask, on_progress: Progress | None = None) -> Answer:
        """The rows that are asked for, nearest first where they are too many."""
        target = self._rows(self._condition(ask))
        answer = TextLog([target], self.role, self._scratch).ask(ask, on_progress)
        self._identify(answer.rows)
        return answer

    def number(self, rows: Sequence[Row]) -> None:
        """Nothing: rows of a query have no lines."""

    def span(self) -> tuple[int, int] | None:
        """Not known: it would take a look at all rows."""
        return None

    def resembling(self, sought: Sought) -> set[str]:
        """Some ids of requests that resemble the one sought."""
        request, head, tail = "request_id::text", _text(sought.head), _text(sought.tail)
        alike = f"starts_with({request}, {head}) OR right({request}, {len(sought.tail)}) = {tail}"
        rows = self._rows(f"{_one_of('request_id', [sought.head, *sought.exact])} OR {alike} LIMIT {MOST_IDS}")
        with rows.open("rb") as lines:
            return {request for line in lines if (request := heads.request_of(line)) is not None}

    def _rows(self, condition: str) -> Path:
        """The rows that fulfil the condition, as JSON lines."""
        target = Path(tempfile.mkdtemp(dir=self._scratch)) / "rows.jsonl"
        query = f"SELECT * FROM {in_brackets(self._source.query)} WHERE {condition}"
        postgres.write_rows(self._source.dsn, query, self.role, target, self._name)
        return target

    def _condition(self, ask: Ask) -> str:
        conditions = [_one_of("request_id", ask.requests)] if ask.requests else []
        if ask.events and "event_id" in self._types:
            conditions.append(_one_of("event_id", ask.events))
        if ask.users:
            of_users = _one_of("user_id", ask.users)
            if self._types["ts"] == "timestamptz":  # of texts, which need not be instants, all are looked at here
                of_users += f" AND ts BETWEEN {_instant(ask.since)} AND {_instant(ask.until)}"
            conditions.append(f"({of_users})")
        return " OR ".join(conditions) or "FALSE"

    def _identify(self, rows: Sequence[Row]) -> None:
        """The same row gets the same number whatever it was asked for by: all rows that hold the same do or do not
        fulfil a condition together, so the n-th of them is the n-th again."""
        seen: Counter[bytes] = Counter()
        for row in rows:
            held = msgspec.json.encode(row.findings if row.record is None else row.record)
            row.file = self._name
            row.offset = self._numbers.setdefault((held, seen[held]), len(self._numbers))
            seen[held] += 1


def _one_of(column: str, texts: Iterable[str]) -> str:
    return f"{column}::text IN ({', '.join(map(_text, sorted(texts)))})"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _instant(ts_us: int) -> str:
    return f"(timestamptz 'epoch' + interval '1 microsecond' * {ts_us})"
