"""A log of Parquet files that answers questions by what the files' statistics let it pass over.

``request_id = …`` skips every row group whose smallest and largest id exclude it, and ``ts BETWEEN …`` every one of
another time, whatever the files are called and wherever they lie. In files sorted by request_id, as `recsys-eval
compact` writes them, one row group a file is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import duckdb

from recsys.attribution.compact.told import Told
from recsys.attribution.engine import parquet
from recsys.attribution.trace.near import Sought
from recsys.attribution.trace.rows import MOST_ROWS, Answer, Ask, Losses, Record, Role, Row, instant, too_many
from recsys.attribution.trace.text_logs import TextLog
from recsys.contracts.events import Assignment, Exposure, Item, Outcome
from recsys.errors import InputError
from recsys.eventlog.faults import Finding
from recsys.eventlog.reader import LogFile
from recsys.eventlog.validation import Progress

_COLUMNS: dict[Role, tuple[str, ...]] = {
    "exposures": ("request_id", "user_id", "items", "context", "latency_ms", "error"),
    "outcomes": ("request_id", "user_id", "item_id", "event_type", "value", "event_id", "context"),
    "assignments": ("experiment_id", "variant", "request_id", "user_id", "context"),
}
"""What is read of a row beside its instant."""
MOST_IDS = 2_000
_NUMBERS = ("propensity", "logging_propensity", "target_propensity", "score")


class ParquetLog:
    """The files of one role. Only the rows that are asked for are checked."""

    def __init__(
        self, files: Sequence[tuple[Path, str]], role: Role, scratch: Path, told: Told | None = None,
        aside: Sequence[LogFile] = (),
    ) -> None:  # fmt: skip
        """``files``: each with the name by which a person knows it; ``told``: what compacted folders tell of the logs
        that they were made of; ``aside``: files with the lines of these that are not valid. InputError where a file is
        no Parquet, or its columns are not those of the log."""
        self.role: Role = role
        self._names = dict(files)
        self._told = told or Told()
        self._aside = TextLog(aside, role, scratch)
        self._connection = duckdb.connect()
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute("SET parquet_metadata_cache = true")
        self._connection.execute(f"SET memory_limit = {parquet.text(parquet.MEMORY)}")
        self._connection.execute(f"SET temp_directory = {parquet.text(str(scratch))}")
        self._groups = parquet.alike(self._connection, list(self._names), role, self._names)

    @property
    def names(self) -> list[str]:
        """The files, as a person knows them."""
        return list(self._names.values())

    def losses(self) -> Losses:
        """What compacted folders tell of the logs that they were made of."""
        return Losses(self._told.gaps, self._told.aliases)

    def ask(self, ask: Ask, on_progress: Progress | None = None) -> Answer:
        """The rows that are asked for, nearest first where they are too many."""
        answer = self._aside.ask(ask, on_progress)
        seen: set[tuple[str, int]] = set()
        for group in self._groups:
            for condition in _conditions(ask, group.columns, self.role):
                for row in self._found(group, condition, ask, answer):
                    if (row.file, row.line) not in seen:
                        seen.add((row.file, row.line))
                        answer.rows.append(row)
        return answer

    def number(self, rows: Sequence[Row]) -> None:
        """Rows of Parquet come with their numbers; this is for lines that were set aside."""
        self._aside.number(rows)

    def span(self) -> tuple[int, int] | None:
        """From when to when the log is, in microseconds since 1970; None where its instants are texts."""
        ends: list[int] = []
        for group in self._groups:
            if group.columns["ts"] == parquet.INSTANT:
                query = f"SELECT epoch_us(min(ts)), epoch_us(max(ts)) FROM {parquet.rows_of(group.paths)}"
                ends += [end for end in self._rows(f"{query} WHERE isfinite(ts)")[0] if end is not None]
        return (min(ends), max(ends)) if ends else None

    def resembling(self, sought: Sought) -> set[str]:
        """Some ids of requests that resemble the one sought. Ids that end alike are looked for where none begins so:
        that takes a look at all ids."""
        head, tail = parquet.text(sought.head), parquet.text(sought.tail)
        found = self._ids(_one_of("request_id", frozenset((sought.head, *sought.exact))))
        found |= self._ids(f"starts_with(request_id, {head})")
        return found or self._ids(f"ends_with(request_id, {tail})")

    def _ids(self, condition: str) -> set[str]:
        rest = f"WHERE {condition} ORDER BY 1 LIMIT {MOST_IDS}"
        queries = [f"SELECT DISTINCT request_id FROM {parquet.rows_of(group.paths)} {rest}" for group in self._groups]
        return {request for query in queries for (request,) in self._rows(query)}

    def _rows(self, query: str) -> list[Any]:
        try:
            return self._connection.execute(query).fetchall()
        except duckdb.Error as error:
            told = str(error).splitlines()[0]
            raise InputError("cannot be read", where=", ".join(self.names)[:200], found=told) from None

    def _found(self, group: parquet.Alike, condition: str, ask: Ask, answer: Answer) -> Iterable[Row]:
        found = self._rows(_query(group, self.role, condition, ask))
        if ask.most is None and len(found) > MOST_ROWS:
            raise too_many(self.role)
        if found:
            valid, refused = found[0][:2]
            answer.more += 0 if ask.most is None else max(valid - ask.most, 0)
            answer.refused += 0 if ask.refused else refused
        for _, _, file, number, fault, ts_us, *values in found:
            name = self._names[Path(file)]
            if fault is None:
                given = dict(zip(_COLUMNS[self.role], values, strict=True))
                scores = [item.pop("score", None) for item in given.get("items", ())]
                record = _record(self.role, ts_us, given)
                yield Row(role=self.role, file=name, line=number + 1, record=record, scores=scores)
            elif ask.refused:
                yield Row(role=self.role, file=name, line=number + 1, findings=[_finding(fault)])


def _conditions(ask: Ask, columns: dict[str, str], role: Role) -> Iterable[str]:
    """What a row fulfils that is asked for: each such that statistics can tell where no row does."""
    if ask.requests:
        yield _one_of("request_id", ask.requests)
    if ask.events and role == "outcomes" and "event_id" in columns:
        yield _one_of("event_id", ask.events)
    if ask.users:
        since, until = f"make_timestamptz({ask.since})", f"make_timestamptz({ask.until})"
        others = f" AND request_id <> {parquet.text(ask.but)}" if ask.but else ""
        yield f"{_one_of('user_id', ask.users)} AND {_instant(columns)} BETWEEN {since} AND {until}{others}"


def _one_of(column: str, texts: frozenset[str]) -> str:
    listed = ", ".join(parquet.text(text) for text in sorted(texts))
    return f"{column} = {listed}" if len(texts) == 1 else f"{column} IN ({listed})"


def _instant(columns: dict[str, str]) -> str:
    """The instant of a row, NULL where it has none; of a column of instants the column itself, which has statistics."""
    if columns["ts"] == parquet.INSTANT:
        return "ts"
    return f"TRY_CAST({'upper(ts)' if columns['ts'] == parquet.TEXT else 'ts'} AS {parquet.INSTANT})"


def _query(group: parquet.Alike, role: Role, condition: str, ask: Ask) -> str:
    """The rows that fulfil the condition, each with how many of them all are valid, and how many are not."""
    present = [name for name in _COLUMNS[role] if name in group.columns]
    source = parquet.rows_of(group.paths, ", filename = true, file_row_number = true")
    found = (
        f"SELECT filename, file_row_number, {parquet.fault(group.columns, role)} AS fault, "
        f"{_instant(group.columns)} AS instant, {', '.join(present)} FROM {source} WHERE {condition}"
    )
    chosen = [
        _items(group.columns) if name == "items" else name if name in present else f"NULL AS {name}"
        for name in _COLUMNS[role]
    ]
    order = f"filename, file_row_number LIMIT {MOST_ROWS + 1}"
    if ask.most is not None:
        order = f"fault IS NOT NULL, abs(ts_us - {ask.around}), filename, file_row_number LIMIT {max(ask.most, 1)}"
    return (
        "SELECT count(*) FILTER (WHERE fault IS NULL) OVER () AS valid, count(fault) OVER () AS refused, "
        "filename, file_row_number, fault, CASE WHEN fault IS NULL THEN epoch_us(instant) END AS ts_us, "
        f"{', '.join(chosen)} FROM ({found}) ORDER BY {order}"
    )


def _items(columns: dict[str, str]) -> str:
    """The items of a list, each with all fields that the contract knows."""
    present = parquet.item_fields(columns["items"])
    fields = ["'item_id': x.item_id", "'rank': TRY_CAST(x.rank AS BIGINT)"]
    fields += [f"'{name}': x.{name}::DOUBLE" for name in _NUMBERS if name in present]
    return f"list_transform(items, lambda x: {{{', '.join(fields)}}}) AS items"


def _record(role: Role, ts_us: int, values: dict[str, Any]) -> Record:
    """The record of a valid row: absent where the column has no value."""
    given: dict[str, Any] = {name: value for name, value in values.items() if value is not None}
    given["ts"] = instant(ts_us)
    for name in ("latency_ms", "value"):
        if name in given:
            given[name] = float(given[name])
    if role == "outcomes":
        return Outcome(**given)
    if role == "assignments":
        return Assignment(**given)
    given["items"] = [_item(item) for item in given["items"]]
    return Exposure(**given)


def _item(values: dict[str, Any]) -> Item:
    given: dict[str, Any] = {name: value for name, value in values.items() if value is not None}
    return Item(**given)


def _finding(fault: str) -> Finding:
    column, _, expected = fault.partition(":")
    return Finding(
        path=f"$.{column}", rule="value", found="another value", expected=expected.strip(),
        hint="The line is the row of the file.",
    )  # fmt: skip
