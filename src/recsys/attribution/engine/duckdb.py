"""DuckDB, the embedded engine: holds the staged logs in memory, and in scratch files what exceeds the limit.

Only staging knows nested types: it turns logs into the tables ``staged_exposures``, ``staged_outcomes`` and
``staged_assignments``, which the relations in ``sql/`` read. A list arrives there as ``shown``, the item ids by ordinal
rank; what was unusual in it (ranks that do not count 1…n, repeated items) is kept aside in ``odd_pairs``.
"""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

import duckdb

from recsys.attribution.engine import parquet
from recsys.attribution.engine.lists import item_columns
from recsys.attribution.policy import Policy
from recsys.attribution.sources import MAX_SLICE_KEYS, Accepted
from recsys.contracts.types import MAX_LINE_BYTES

DEFAULT_MEMORY = "2GB"
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
"""The typed columns of each log beside ``context``. Fields that no relation reads are left in the file; assignments are
staged whole."""
ANONYMOUS = "anonymous"
ALIAS_BATCH = 20_000

_EXPOSURES = """
CREATE OR REPLACE TABLE staged_exposures AS
WITH judged AS (
    SELECT
        *,
        CASE
            WHEN list_contains(list_transform(ranks, lambda r, i: r = i), FALSE) THEN FALSE
            ELSE len(first_places(item_ids)) = len(item_ids)
        END AS usual
    FROM ({source})
),
sorted AS (
    SELECT
        *,
        CASE
            WHEN usual THEN NULL
            ELSE list_sort(list_transform(list_zip(ranks, item_ids), lambda x: {{'rank': x[1], 'item_id': x[2]}}))
        END AS pairs
    FROM judged
),
closed AS (
    SELECT
        *,
        CASE
            WHEN usual THEN item_ids
            ELSE first_places(list_transform(pairs, lambda x: x.item_id))
        END AS shown
    FROM sorted
)
SELECT
    request_id,
    user_id,
    ts_us,
    shown,
    CASE
        WHEN usual THEN NULL
        WHEN list_transform(pairs, lambda x: x.rank) = range(1, len(item_ids) + 1)::INTEGER[]
            AND len(shown) = len(item_ids) THEN NULL
        ELSE CAST(to_json(pairs) AS VARCHAR)
    END AS odd_pairs,
    len(shown)::INTEGER AS n_items,
    CASE WHEN usual THEN FALSE ELSE distinct_ranks(pairs) < len(item_ids) END AS repeated_rank,
    len(shown) < len(item_ids) AS repeated_item,
    CASE WHEN usual THEN FALSE ELSE distinct_ranks(pairs) < pairs[-1].rank END AS rank_gap,
    zero_propensity,
    latency_ms,
    coalesce(error, FALSE) AS error,
    coalesce(context['anonymous'] = 'true', FALSE) AS anonymous,
    {slices}
FROM closed
"""

_OUTCOMES = """
CREATE OR REPLACE TABLE staged_outcomes AS
SELECT
    row_number() OVER () AS row_number,
    request_id, user_id, item_id, event_type, ts_us, value, event_id,
    {slices}
FROM ({source})
"""

_ASSIGNMENTS = """
CREATE OR REPLACE TABLE staged_assignments AS
SELECT request_id, {slices} FROM ({source})
"""


def connect(scratch: Path, *, memory_limit: str = DEFAULT_MEMORY, threads: int | None = None) -> Any:
    """A connection to a database of its own, in memory; what does not fit within ``memory_limit`` goes to ``scratch``.

    A database file instead would take half as long again: its tables are compressed, and flushed to the disk.
    """
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET preserve_insertion_order = false")
    connection.execute("SET autoinstall_known_extensions = false")
    connection.execute("SET enable_progress_bar = false")
    connection.execute(f"SET memory_limit = {quoted(memory_limit)}")
    connection.execute(f"SET temp_directory = {quoted(str(scratch))}")
    if threads is not None:
        connection.execute(f"SET threads = {int(threads)}")
    connection.execute("CREATE TEMP MACRO first_places(l) AS list_filter(l, lambda x, i: list_position(l, x) = i)")
    connection.execute("CREATE TEMP MACRO distinct_ranks(l) AS list_unique(list_transform(l, lambda x: x.rank))")
    return connection


def quoted(text: str) -> str:
    """``text`` as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def stage(
    connection: Any,
    exposures: Accepted,
    outcomes: Accepted,
    assignments: Accepted | None,
    slice_keys: Sequence[str],
    policy: Policy,
    aliases: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Make the staged tables and the policy's one row, anew where they are there already.

    A ``user_id`` that is a key of ``aliases`` is staged as its value; assignments are staged without one.
    """
    slices = slice_columns(slice_keys)
    _stage_aliases(connection, aliases)
    exposures_source, outcomes_source = (
        _source("exposures", exposures, slice_keys),
        _source("outcomes", outcomes, slice_keys),
    )
    connection.execute(_EXPOSURES.format(source=_named(exposures_source, aliases), slices=slices))
    connection.execute(_OUTCOMES.format(source=_named(outcomes_source, aliases), slices=slices))
    if assignments is None:
        nothing = ", ".join(f"NULL::VARCHAR AS slice_{n}" for n in range(1, MAX_SLICE_KEYS + 1))
        connection.execute(
            f"CREATE OR REPLACE TABLE staged_assignments AS SELECT NULL::VARCHAR AS request_id, {nothing} LIMIT 0"
        )
    else:
        own = {"experiment_id": "experiment_id", "experiment_variant": "variant"}
        slices = slice_columns(slice_keys, own)
        connection.execute(_ASSIGNMENTS.format(source=_source("assignments", assignments, slice_keys), slices=slices))
    _stage_policy(connection, policy)


def _stage_aliases(connection: Any, aliases: Mapping[str, str]) -> None:
    if not aliases:
        return
    connection.execute("CREATE OR REPLACE TABLE aliases (previous VARCHAR, present VARCHAR)")
    rows = list(aliases.items())
    for start in range(0, len(rows), ALIAS_BATCH):
        previous, present = zip(*rows[start : start + ALIAS_BATCH], strict=True)
        connection.execute(
            "INSERT INTO aliases SELECT unnest(?::VARCHAR[]), unnest(?::VARCHAR[])", [list(previous), list(present)]
        )


def _named(source: str, aliases: Mapping[str, str]) -> str:
    """The rows of a log, each user under the present pseudonym."""
    if not aliases:
        return source
    return (
        f"SELECT log.* REPLACE (coalesce(aliases.present, log.user_id) AS user_id) FROM ({source}) AS log "
        "LEFT JOIN aliases ON log.user_id = aliases.previous"
    )


def _stage_policy(connection: Any, policy: Policy) -> None:
    micros = [
        None if seconds is None else round(seconds * 1_000_000)
        for seconds in (policy.tolerance_s, policy.windows_s.get("click"), policy.windows_s.get("conversion"))
    ]
    connection.execute(
        "CREATE OR REPLACE TABLE policy (tolerance_us BIGINT, click_window_us BIGINT, conversion_window_us BIGINT)"
    )
    connection.execute("INSERT INTO policy VALUES (?, ?, ?)", micros)


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
        return parquet.source(accepted.paths, role, only_valid=accepted.invalid > 0)
    kinds = {**COLUMNS[role], "context": _context_type([*slice_keys, ANONYMOUS])}
    columns = ", ".join(f"{name}: {quoted(kind)}" for name, kind in kinds.items())
    paths = ", ".join(quoted(glob.escape(str(path))) for path in accepted.paths)  # a name is no pattern
    chosen = "*, epoch_us(CAST(upper(ts) AS TIMESTAMPTZ)) AS ts_us"
    if role == "exposures":
        chosen += f", {item_columns()}"
    return (
        f"SELECT {chosen} FROM read_json("
        f"[{paths}], format = 'newline_delimited', columns = {{{columns}}}, "
        f"maximum_object_size = {MAX_LINE_BYTES + 1024}, compression = 'none')"
    )


def _context_type(keys: Sequence[str]) -> str:
    """Only the keys that are asked for are read; names that differ in case alone need a map, which is slower."""
    distinct = list(dict.fromkeys(keys))
    if len({key.casefold() for key in distinct}) < len(distinct):
        return "MAP(VARCHAR, VARCHAR)"
    fields = ", ".join('"' + key.replace('"', '""') + '" VARCHAR' for key in distinct)
    return f"STRUCT({fields})"


def relation(name: str) -> str:
    """The text of a relation: ``sql/<name>.sql``."""
    return files("recsys.attribution").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


def create(connection: Any, name: str, *, view: bool = False) -> None:
    """Make the relation ``name`` a table, or a view, of that name."""
    connection.execute(f"CREATE {'VIEW' if view else 'TABLE'} {name} AS {relation(name)}")


def rows(connection: Any, name: str) -> list[tuple[Any, ...]]:
    """The rows of a relation that nobody else reads."""
    return connection.execute(relation(name)).fetchall()
