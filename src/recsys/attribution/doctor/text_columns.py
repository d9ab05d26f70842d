"""The columns of text in which somebody's identifier may stand: ids and context values of all three logs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, islice
from operator import itemgetter
from types import MappingProxyType

from msgspec import Struct

from recsys.attribution.doctor.breakdown import Cell, cells, tellable
from recsys.attribution.doctor.case import Case
from recsys.attribution.doctor.lines_holding import places_holding
from recsys.attribution.doctor.symptoms import Log, Rows
from recsys.attribution.engine import BATCH_ROWS

IDS: Mapping[Log, tuple[str, ...]] = MappingProxyType(
    {
        "exposures": ("request_id", "user_id", "item_id"),
        "outcomes": ("request_id", "user_id", "item_id", "event_id"),
        "assignments": ("experiment_id", "variant", "request_id", "user_id"),
    }
)
_ROW = MappingProxyType({"exposures": "request_id", "outcomes": "row_number", "assignments": "request_id"})
_TIMED = MappingProxyType(
    {
        "exposures": ("exposures", "request_id"),
        "outcomes": ("outcome_fates", "row_number"),
        "assignments": ("staged_assignments", "request_id"),
    }
)
_LISTED = "(SELECT request_id, unnest(shown) AS item_id FROM staged_exposures) AS listed"
_HASHES = (
    "(length({text}) >= 40 AND length(translate(lower({text}), '0123456789abcdef', '')) = 0) "
    "OR (length({text}) = 36 AND length(translate(lower({text}), '0123456789abcdef', '')) = 4 "
    "AND length(translate({text}, '-', '')) = 32)"
)


Batches = Iterator[tuple[list[str], list[int]]]
"""Distinct values with the rows of each."""


class TextColumn(Struct, frozen=True):
    """An id of a log, or a key of its contexts; or ``others``: all of its keys that few rows have, as one
    (``cases.MOST_KEYS``)."""

    log: Log
    name: str
    in_context: bool = False
    others: bool = False

    @property
    def title(self) -> str:
        """``outcomes.user_id``, ``exposures.context.device``: a column's name, not to be told."""
        if self.others:
            return f"{self.log}.context"
        return f"{self.log}.{'context.' if self.in_context else ''}{self.name}"

    @property
    def told(self) -> str:
        """``user_id``, ``context.device``: the name in words, of a key that could be somebody's only its length."""
        if self.others:
            return "context (all keys that few rows have)"
        return f"context.{tellable(self.name)}" if self.in_context else self.name


def ids(case: Case) -> list[TextColumn]:
    """The ids of the logs that there are."""
    return [TextColumn(log, name) for log, names in IDS.items() if _has(case, log) for name in names]


def _has(case: Case, log: Log) -> bool:
    return log != "assignments" or case.joined.dataset.assignments is not None


def batches(case: Case, column: TextColumn) -> Batches:
    """The distinct values of an id with their rows, a batch at a time."""
    return _known(case.distinct(column.log, column.name))


def readable(case: Case, column: TextColumn) -> Batches:
    """``batches`` without hashes and UUIDs, which hold nothing to read and are most of many columns. Their rows come as
    those of an empty value, all together."""
    source, text = f"staged_{column.log}", column.name
    if (column.log, column.name) == ("exposures", "item_id"):
        source, text = _LISTED, "item_id"
    value = _without_hashes(text)
    query = f"SELECT {value}, count(*) FROM {source} WHERE {text} IS NOT NULL GROUP BY {value}"
    return _known(case.joined.engine.batches(query))


def contexts(case: Case) -> Iterator[tuple[TextColumn, Batches]]:
    """The keys of the contexts of all logs, each with its distinct values and their rows. A log is read once, however
    many keys it has, so the batches of a key are to be taken before the next key is."""
    return _contexts(case, "value")


def readable_contexts(case: Case) -> Iterator[tuple[TextColumn, Batches]]:
    """``contexts`` without hashes and UUIDs, as in ``readable``."""
    return _contexts(case, _without_hashes("value"))


def keys(case: Case, log: Log) -> Batches:
    """The keys of the contexts of a log, with the rows of each."""
    if log in case.contexts:
        yield from _known(case.joined.engine.batches(f"SELECT key, sum(n) FROM {log}_context GROUP BY key"))


def _contexts(case: Case, value: str) -> Iterator[tuple[TextColumn, Batches]]:
    for log in IDS:
        if log in case.contexts:
            found = case.joined.engine.batches(
                f"SELECT c.key, {value}, sum(c.n) FROM {log}_context AS c INNER JOIN {log}_usual_keys AS u "
                f"ON c.key = u.key WHERE c.value IS NOT NULL GROUP BY c.key, {value} ORDER BY c.key"
            )
            for key, batches in by_name(found):
                yield TextColumn(log, key, in_context=True), batches
            if case.keys[log] > len(case.contexts[log]):
                others = case.joined.engine.batches(
                    f"SELECT {value}, sum(n) FROM {log}_context WHERE value IS NOT NULL "
                    f"AND key NOT IN (SELECT key FROM {log}_usual_keys) GROUP BY {value}"
                )
                yield TextColumn(log, "", in_context=True, others=True), _known(others)


def _without_hashes(text: str) -> str:
    return f"CASE WHEN {_HASHES.format(text=text)} THEN '' ELSE {text} END"


def by_name(found: Iterator[list[tuple[str, str, int]]]) -> Iterator[tuple[str, Batches]]:
    """Rows (name, value, n), ordered by name, as each name with its batches: to be taken before the next name is."""
    for name, rows in groupby((row for batch in found for row in batch), itemgetter(0)):
        yield name, _batched(rows)


def _batched(rows: Iterator[tuple[str, str, int]]) -> Batches:
    while batch := list(islice(rows, BATCH_ROWS)):
        yield [value for _, value, _ in batch], [int(n) for _, _, n in batch]


def _known(found: Iterator[list[tuple[str, int]]]) -> Batches:
    for batch in found:
        known = [(value, int(n)) for value, n in batch if value is not None]
        yield [value for value, _ in known], [n for _, n in known]


def rows_of(case: Case, log: Log) -> int:
    """How many valid rows a log has."""
    [(n,)] = case.rows(f"SELECT count(*) FROM staged_{log}")
    return n


def rows_with(case: Case, column: TextColumn, values: Sequence[str] | None, table: str) -> Rows:
    """The rows that have one of ``values`` in the column; None: all that have any. ``table`` is a name for them in the
    engine. Of context keys that no relation holds, the places of a few."""
    source, text = f"staged_{column.log}", column.name
    if column.in_context:
        place = None if column.others else dict(case.slices).get(column.name)
        if place is None:
            key = None if column.others else column.name
            return Rows(places=places_holding(case, column.log, key, values))
        text = place
    elif (column.log, column.name) == ("exposures", "item_id"):
        source, text = _LISTED, "item_id"
    query = f"SELECT {_ROW[column.log]} AS row FROM {source} WHERE {text} IS NOT NULL"
    if values is None:
        return Rows(query=query)
    case.joined.engine.load(table, {"value": "VARCHAR"}, ((value,) for value in values))
    return Rows(query=f"{query} AND {text} IN (SELECT value FROM {table})")


def span(case: Case, log: Log, rows: Rows) -> tuple[int | None, int | None]:
    """The first and the last instant of the rows that a query gives, in µs."""
    if not rows.query:
        return None, None
    table, row = _TIMED[log]
    first, last = case.one(
        f"SELECT min(ts_us), max(ts_us) FROM {table} WHERE {row} IN (SELECT row FROM ({rows.query}))"
    )
    return first, last


def cells_of(case: Case, log: Log, rows: Rows, keys: Sequence[str]) -> list[Cell]:
    """Where, by the slice keys ``keys``, and when the rows of a query are among those of their log; nothing without a
    query."""
    if not rows.query:
        return []
    table, row = _TIMED[log]
    bucket = f"((t.ts_us + 864000000000) // {case.bucket_us}) * {case.bucket_us} - 864000000000"
    columns = ", ".join(f"t.{column}" for key, column in case.slices if key in keys)
    found = case.rows(
        f"SELECT {bucket}, {columns}, count(*), count(r.row) FROM {table} AS t "
        f"LEFT JOIN (SELECT DISTINCT row FROM ({rows.query})) AS r ON t.{row} = r.row GROUP BY {bucket}, {columns}"
    )
    return cells(found, len(keys))


def raw_ids(case: Case, most: int) -> dict[str, list[str]]:
    """Users of each log that are no hex of a hash, up to ``most``, by words for where they were seen."""
    found: dict[str, list[str]] = {}
    for log in IDS:
        if _has(case, log):
            rows = case.rows(
                f"SELECT DISTINCT user_id FROM staged_{log} "
                "WHERE length(user_id) < 32 OR length(translate(lower(user_id), '0123456789abcdef', '')) > 0 "
                f"ORDER BY user_id LIMIT {most}"
            )
            found[f"the {log}"] = [user for (user,) in rows]
    return {source: users for source, users in found.items() if users}
