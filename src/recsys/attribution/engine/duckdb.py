"""DuckDB, the embedded engine: holds the staged logs in memory, and in scratch files what exceeds the limit.

Only staging knows nested types: it turns logs into the tables ``staged_exposures``, ``staged_outcomes`` and
``staged_assignments``, which the relations in ``sql/`` read. A list arrives there as ``shown``, the item ids by ordinal
rank; what was unusual in it (ranks that do not count 1…n, repeated items) is kept aside in ``odd_pairs``.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from recsys.attribution.columns import quoted as column_name
from recsys.attribution.engine import BATCH_ROWS, NO_ALIASES, duckdb_staging, lists, parquet
from recsys.attribution.engine.choice import DEFAULT_MEMORY
from recsys.attribution.engine.lists import item_columns
from recsys.attribution.sources import MAX_SLICE_KEYS, Accepted
from recsys.contracts.types import MAX_LINE_BYTES
from recsys.errors import InputError, StorageError

if TYPE_CHECKING:
    import numpy.typing as npt

ITEM = "STRUCT(item_id VARCHAR, rank INTEGER, propensity DOUBLE, logging_propensity DOUBLE)"
COLUMNS: dict[str, dict[str, str]] = {
    "exposures": {
        "request_id": "VARCHAR", "user_id": "VARCHAR", "ts": "VARCHAR", "items": f"{ITEM}[]",
        "latency_ms": "DOUBLE", "error": "BOOLEAN",
    },
    "outcomes": {
        "request_id": "VARCHAR", "user_id": "VARCHAR", "item_id": "VARCHAR", "event_type": "VARCHAR", "ts": "VARCHAR",
        "value": "DOUBLE", "event_id": "VARCHAR",
    },
    "assignments": {
        "experiment_id": "VARCHAR", "variant": "VARCHAR", "request_id": "VARCHAR", "user_id": "VARCHAR",
        "ts": "VARCHAR",
    },
}  # fmt: skip
"""The typed columns of each log beside ``context``. Fields that no relation reads are left in the file."""
SLICES = frozenset(f"slice_{number}" for number in range(1, MAX_SLICE_KEYS + 1))
ANONYMOUS = "anonymous"
LOAD_BATCH = 20_000


class DuckDB:
    """The embedded engine: a database of its own, in memory; what does not fit within ``memory_limit`` goes to
    ``scratch``.

    A database file instead would take half as long again: its tables are compressed, and flushed to the disk.
    """

    def __init__(
        self,
        scratch: Path,
        *,
        memory_limit: str = DEFAULT_MEMORY,
        threads: int | None = None,
        in_order: bool = False,
    ) -> None:
        """``in_order``: rows come in the order of what they are read from, where a query asks for no other."""
        self._scratch = scratch
        self._in_order = str(in_order).lower()
        self._no_keys: frozenset[str] = frozenset()
        self._connection = duckdb.connect()
        for setting, value in (
            ("TimeZone", "'UTC'"),
            ("preserve_insertion_order", self._in_order),
            ("autoinstall_known_extensions", "false"),
            ("enable_progress_bar", "false"),
            ("memory_limit", quoted(memory_limit)),
            ("temp_directory", quoted(str(scratch))),
            *([] if threads is None else [("threads", str(int(threads)))]),
        ):
            self._connection.execute(f"SET {setting} = {value}")
        for macro in (
            "first_places(l) AS list_filter(l, lambda x, i: list_position(l, x) = i)",
            "distinct_ranks(l) AS list_unique(list_transform(l, lambda x: x.rank))",
        ):
            self._connection.execute(f"CREATE TEMP MACRO {macro}")

    def stage(
        self,
        exposures: Accepted,
        outcomes: Accepted,
        assignments: Accepted | None,
        slice_keys: Sequence[str],
        aliases: Mapping[str, str] = NO_ALIASES,
    ) -> None:
        """Make the staged tables. A ``user_id`` that is a key of ``aliases`` is staged as its value."""
        if aliases:
            self.load("aliases", {"previous": "VARCHAR", "present": "VARCHAR"}, aliases.items())
        self._no_keys = SLICES - {f"slice_{number}" for number in range(1, len(slice_keys) + 1)}
        slices = slice_columns(slice_keys)
        for text, role, log in (
            (duckdb_staging.EXPOSURES, "exposures", exposures),
            (duckdb_staging.OUTCOMES, "outcomes", outcomes),
        ):
            source = _named(_source(role, log, slice_keys), aliases)
            self.create(f"staged_{role}", text.format(source=source, slices=slices))
        if assignments is None:
            self.create("staged_assignments", duckdb_staging.NO_ASSIGNMENTS.format(slices=slice_columns([])))
        else:
            own = {"experiment_id": "experiment_id", "experiment_variant": "variant"}
            source = _named(_source("assignments", assignments, slice_keys), aliases)
            query = duckdb_staging.ASSIGNMENTS.format(source=source, slices=slice_columns(slice_keys, own))
            self.create("staged_assignments", query)

    def stage_contexts(self, name: str, role: str, log: Accepted) -> None:
        """Make the table ``name`` of the contexts of a log: key, value, and in how many rows both stand."""
        self.create(name, duckdb_staging.CONTEXTS.format(source=_contexts(role, log)))

    def stage_propensities(self, name: str, exposures: Accepted) -> None:
        """Make the table ``name`` of the propensities of exposures."""
        self.create(name, duckdb_staging.PROPENSITIES.format(source=_propensities(exposures)))

    def stage_item_propensities(self, name: str, exposures: Accepted) -> None:
        """Make the table ``name`` of the items of exposures with their propensities."""
        self.create(name, duckdb_staging.ITEM_PROPENSITIES.format(source=_item_propensities(exposures)))

    def load(self, name: str, types: Mapping[str, str], rows: Iterable[tuple[Any, ...]]) -> None:
        """Make the table ``name`` of these rows."""
        columns = ", ".join(f"{column} {kind}" for column, kind in types.items())
        self._execute(f"CREATE OR REPLACE TABLE {name} ({columns})")
        fields = ", ".join(f"unnest(?::{kind}[])" for kind in types.values())
        remaining = iter(rows)
        while batch := list(islice(remaining, LOAD_BATCH)):
            self._execute(f"INSERT INTO {name} SELECT {fields}", [list(column) for column in zip(*batch, strict=True)])

    def load_parquet(self, name: str, path: Path) -> None:
        """Make the table ``name`` of a Parquet file."""
        file = quoted(glob.escape(str(path)))
        self._execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM read_parquet({file})")

    def create(self, name: str, query: str, *, view: bool = False) -> None:
        """Make the table, or the view, ``name``.

        Slice columns that no key has are NULL throughout, and a table in memory would hold them at their full width: a
        view over what is held has them in their places. Whatever has slice columns is such a view, however many have a
        key: what takes its place, of logs that are staged anew, must be of its kind.
        """
        held = query
        if not view:
            columns = [column for column, *_ in self.rows(f"DESCRIBE {query}")]
            if SLICES.intersection(columns):
                kept = ", ".join(column_name(column) for column in columns if column not in self._no_keys)
                self._execute(f"CREATE OR REPLACE TABLE held_{name} AS SELECT {kept} FROM ({query})")
                listed = (
                    f"NULL::VARCHAR AS {column}" if column in self._no_keys else column_name(column)
                    for column in columns
                )  # fmt: skip
                held, view = f"SELECT {', '.join(listed)} FROM held_{name}", True
        self._execute(f"CREATE OR REPLACE {'VIEW' if view else 'TABLE'} {name} AS {held}")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self._told():
            return self._connection.execute(query).fetchall()

    def batches(self, query: str, size: int = BATCH_ROWS) -> Iterator[list[tuple[Any, ...]]]:
        """The rows of a query, ``size`` at a time. Other queries may be asked meanwhile."""
        with self._told():
            result = self._connection.cursor().execute(query)
            while batch := result.fetchmany(size):
                yield batch

    def columns(self, query: str) -> dict[str, npt.NDArray[Any]]:
        """The result of a query by column."""
        with self._told():
            found: dict[str, Any] = self._connection.execute(query).fetchnumpy()
            return found

    def write_parquet(self, query: str, path: Path) -> None:
        """Write what ``query`` gives, in its order, to one Parquet file."""
        self._execute("SET preserve_insertion_order = true")
        target = quoted(str(path))
        self._execute(f"COPY ({query}) TO {target} (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)")
        self._execute(f"SET preserve_insertion_order = {self._in_order}")

    def close(self) -> None:
        """Let go of the database."""
        self._connection.close()

    def _execute(self, statement: str, parameters: list[Any] | None = None) -> None:
        with self._told():
            self._connection.execute(statement, parameters)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Errors of the library in words of ours."""
        try:
            yield
        except duckdb.OutOfMemoryException as error:
            raise StorageError(
                "the join ran out of memory or disk", where=str(self._scratch), found=str(error).splitlines()[0],
                hint="Free space in the temporary folder (TMPDIR), or give fewer days at a time.",
            ) from None  # fmt: skip
        except duckdb.IOException as error:
            raise StorageError("a file cannot be read or written", found=str(error).splitlines()[0]) from None
        except duckdb.Error as error:
            raise InputError("the logs cannot be joined", found=str(error).splitlines()[0]) from error


def quoted(text: str) -> str:
    """``text`` as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def _named(source: str, aliases: Mapping[str, str]) -> str:
    """The rows of a log, each user under the present pseudonym."""
    if not aliases:
        return source
    return (
        f"SELECT log.* REPLACE (coalesce(aliases.present, log.user_id) AS user_id) FROM ({source}) AS log "
        "LEFT JOIN aliases ON log.user_id = aliases.previous"
    )


def slice_columns(keys: Sequence[str], own: dict[str, str] | None = None) -> str:
    """``slice_1`` … ``slice_8``: the context's values of ``keys``, NULL where absent; ``own`` names columns of the row
    that hold a key's value where its context does not."""
    columns = []
    for number in range(1, MAX_SLICE_KEYS + 1):
        value = "NULL::VARCHAR"
        if number <= len(keys):
            key = keys[number - 1]
            value = f"context[{quoted(key)}]"
            if own and key in own:
                value = f"coalesce({value}, {own[key]})"
        columns.append(f"{value} AS slice_{number}")
    return ",\n    ".join(columns)


def _source(role: str, accepted: Accepted, slice_keys: Sequence[str]) -> str:
    """A query with the typed columns of the log, and ``ts_us``: microseconds since 1970 (UTC)."""
    if accepted.kind == "parquet":
        return parquet.source(accepted.paths, role, only_valid=accepted.left_in > 0)
    chosen = "*, epoch_us(CAST(upper(ts) AS TIMESTAMPTZ)) AS ts_us"
    if role == "exposures":
        chosen += f", {item_columns()}"
    kinds = {**COLUMNS[role], "context": _context_type([*slice_keys, ANONYMOUS])}
    return f"SELECT {chosen} FROM {_lines(accepted, kinds)}"


def _contexts(role: str, accepted: Accepted) -> str:
    """A query with the whole ``context`` of each row."""
    if accepted.kind == "parquet":
        return parquet.source(accepted.paths, role, only_valid=accepted.left_in > 0)
    return f"SELECT context FROM {_lines(accepted, {'context': 'MAP(VARCHAR, VARCHAR)'})}"


def _propensities(exposures: Accepted) -> str:
    """A query with the propensities of the items of each exposure."""
    if exposures.kind == "parquet":
        return parquet.propensities(exposures.paths, only_valid=exposures.left_in > 0)
    item = f"STRUCT({', '.join(f'{name} DOUBLE' for name in parquet.PROPENSITIES)})"
    lines = _lines(exposures, {"request_id": "VARCHAR", "ts": "VARCHAR", "items": f"{item}[]"})
    return f"SELECT request_id, items, epoch_us(CAST(upper(ts) AS TIMESTAMPTZ)) AS ts_us FROM {lines}"


def _item_propensities(exposures: Accepted) -> str:
    """A query with the items of each exposure, and the kind of their propensities."""
    if exposures.kind == "parquet":
        return parquet.item_propensities(exposures.paths, only_valid=exposures.left_in > 0)
    kinds = {"request_id": "VARCHAR", "items": f"{ITEM}[]", "context": _context_type([lists.KIND])}
    item = lists.with_propensity(lists.PROPENSITIES)
    return f"SELECT request_id, context['{lists.KIND}'] AS kind, {item} FROM {_lines(exposures, kinds)}"


def _lines(accepted: Accepted, kinds: Mapping[str, str]) -> str:
    """These columns of files of valid JSON lines."""
    columns = ", ".join(f"{name}: {quoted(kind)}" for name, kind in kinds.items())
    paths = ", ".join(quoted(glob.escape(str(path))) for path in accepted.paths)  # a name is no pattern
    return (
        f"read_json([{paths}], format = 'newline_delimited', columns = {{{columns}}}, "
        f"maximum_object_size = {MAX_LINE_BYTES + 1024}, compression = 'none')"
    )


def _context_type(keys: Sequence[str]) -> str:
    """Only the keys that are asked for are read; names that differ in case alone need a map, which is slower."""
    distinct = list(dict.fromkeys(keys))
    if len({key.casefold() for key in distinct}) < len(distinct):
        return "MAP(VARCHAR, VARCHAR)"
    fields = ", ".join(f"{column_name(key)} VARCHAR" for key in distinct)
    return f"STRUCT({fields})"
