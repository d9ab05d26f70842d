"""Accepted logs as Spark reads them: with the types that the contract, or the footer of a Parquet file, gives them.
Nothing is inferred from rows.

Files are read through links of plain names in the scratch folder: Spark takes a name with a bracket for a pattern, and
one that begins with an underscore for no data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import reduce
from itertools import count
from pathlib import Path
from typing import Any

import duckdb

from recsys.attribution.engine import lists, parquet
from recsys.attribution.engine.duckdb import DuckDB
from recsys.attribution.sources import Accepted
from recsys.contracts.types import MAX_LINE_BYTES

Columns = Mapping[str, str]
"""Column → type in DuckDB's words."""

_TEXTS = {"request_id": "VARCHAR", "user_id": "VARCHAR", "ts": "VARCHAR"}
_MAP = "MAP(VARCHAR, VARCHAR)"
_PROPENSITIES = ", ".join(f"{name} DOUBLE" for name in parquet.PROPENSITIES)
LINES: Mapping[str, Columns] = {
    "exposures": _TEXTS
    | {"items": f"STRUCT(item_id VARCHAR, rank INTEGER, {_PROPENSITIES})[]", "latency_ms": "DOUBLE"}
    | {"error": "BOOLEAN", "context": _MAP},
    "outcomes": _TEXTS
    | {"item_id": "VARCHAR", "event_type": "VARCHAR", "value": "DOUBLE", "event_id": "VARCHAR", "context": _MAP},
    "assignments": _TEXTS | {"experiment_id": "VARCHAR", "variant": "VARCHAR", "context": _MAP},
}
"""The columns of JSON lines."""
_SPARK_TYPES = {
    "VARCHAR": "STRING", "DOUBLE": "DOUBLE", "FLOAT": "FLOAT", "BOOLEAN": "BOOLEAN", "TINYINT": "TINYINT",
    "SMALLINT": "SMALLINT", "INTEGER": "INT", "BIGINT": "BIGINT", "UTINYINT": "SMALLINT", "USMALLINT": "INT",
    "UINTEGER": "BIGINT", parquet.INSTANT: "TIMESTAMP", _MAP: "MAP<STRING, STRING>",
    "VARCHAR[]": "ARRAY<STRING>", "INTEGER[]": "ARRAY<INT>",
}  # fmt: skip
_TYPED: Mapping[str, str] = {
    "exposures": "ts_us BIGINT, request_id STRING, user_id STRING, item_ids ARRAY<STRING>, ranks ARRAY<INT>, "
    "zero_propensity BOOLEAN, context MAP<STRING, STRING>, latency_ms DOUBLE, error BOOLEAN",
    "outcomes": "ts_us BIGINT, request_id STRING, user_id STRING, item_id STRING, event_type STRING, value DOUBLE, "
    "event_id STRING, context MAP<STRING, STRING>",
    "assignments": "ts_us BIGINT, experiment_id STRING, variant STRING, request_id STRING, user_id STRING, "
    "context MAP<STRING, STRING>",
}
"""What ``typed`` gives, by role."""
_PROPENSITIES_OF_ITEMS = (
    "request_id STRING, ts_us BIGINT, items ARRAY<STRUCT<"
    f"{', '.join(f'{name}: DOUBLE' for name in parquet.PROPENSITIES)}>>"
)
_ITEMS_WITH_PROPENSITY = (
    "request_id STRING, kind STRING, items ARRAY<STRUCT<item_id: STRING, rank: INT, propensity: DOUBLE>>"
)


def text(value: str) -> str:
    """``value`` as a string of Spark's SQL."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


class Logs:
    """Reads logs into data frames; ``scratch`` is a folder that all of Spark's workers see."""

    def __init__(self, spark: Any, scratch: Path) -> None:
        self._spark = spark
        self._scratch = scratch
        self._numbers = count()

    def typed(self, role: str, log: Accepted) -> Any:
        """The columns of ``_TYPED`` of the rows that were accepted."""

        def source(paths: Sequence[Path]) -> str:
            return parquet.source(paths, role, only_valid=log.left_in > 0)

        return self._read(role, log, lambda columns: _typed(columns, role), source, _TYPED[role])

    def propensities(self, log: Accepted) -> Any:
        """``request_id``, ``ts_us``, and ``items`` of which only the propensities are left."""

        def source(paths: Sequence[Path]) -> str:
            return parquet.propensities(paths, only_valid=log.left_in > 0)

        return self._read("exposures", log, _with_propensities, source, _PROPENSITIES_OF_ITEMS)

    def item_propensities(self, log: Accepted) -> Any:
        """``request_id``, ``kind``, and ``items`` with one propensity each."""

        def source(paths: Sequence[Path]) -> str:
            return parquet.item_propensities(paths, only_valid=log.left_in > 0)

        return self._read("exposures", log, _with_item_propensities, source, _ITEMS_WITH_PROPENSITY)

    def _read(
        self,
        role: str,
        log: Accepted,
        chosen: Callable[[Columns], list[str]],
        source: Callable[[Sequence[Path]], str],
        schema: str,
    ) -> Any:
        """Files that Spark cannot read as they are, or that hold invalid rows, are copied first: ``source`` is what of
        them is copied, and ``schema`` its columns."""
        if log.kind == "jsonl":
            return self._lines(log.paths, LINES[role]).selectExpr(*chosen(LINES[role]))
        frames = []
        with duckdb.connect() as connection:
            groups = parquet.alike(connection, log.paths, role, {})
        for group in groups:
            names = schema_of(group.columns)
            if names is None or log.left_in:
                frames.append(self._spark.read.schema(schema).parquet(self._copied(source(group.paths))))
            else:
                files = self._spark.read.schema(names).parquet(self._linked(group.paths, "parquet"))
                frames.append(files.selectExpr(*chosen(group.columns)))
        return reduce(lambda one, other: one.unionByName(other), frames or [self._spark.createDataFrame([], schema)])

    def _lines(self, paths: Sequence[Path], columns: Columns) -> Any:
        reader = self._spark.read.schema(schema_of(columns)).options(
            mode="FAILFAST", encoding="UTF-8", lineSep="\n", maxStringLen=MAX_LINE_BYTES, maxNumLen=MAX_LINE_BYTES
        )
        return reader.json(self._linked(paths, "jsonl"))

    def _linked(self, paths: Sequence[Path], suffix: str) -> str:
        folder = self.new("log")
        folder.mkdir()
        for number, path in enumerate(paths):
            (folder / f"{number:06}.{suffix}").symlink_to(path.resolve())
        return read_from(folder)

    def _copied(self, query: str) -> str:
        path = self.new("copy")
        with closing(DuckDB(self._scratch)) as engine:
            engine.write_parquet(query, path)
        return read_from(path)

    def new(self, name: str) -> Path:
        """A path in the scratch folder that was not used before."""
        return self._scratch / f"spark-{name}-{next(self._numbers)}"


def written_to(path: Path) -> str:
    """The path as Spark names a place on the machine, or on a file system that all workers have mounted."""
    return f"file://{path}"


def read_from(path: Path) -> str:
    """The same for what is read, where Spark takes a name for a pattern."""
    return written_to(path).translate({ord(letter): f"\\{letter}" for letter in "\\{}[]*?"})


def schema_of(columns: Columns) -> str | None:
    """The columns in Spark's words; None where it has none for the type of one."""
    kinds = {name: _spark_type(kind) for name, kind in columns.items()}
    return None if None in kinds.values() else ", ".join(f"{name} {kind}" for name, kind in kinds.items())


def _spark_type(kind: str) -> str | None:
    if kind.startswith("DECIMAL("):
        return kind
    fields = {name: _spark_type(field) for name, field in parquet.item_fields(kind).items()}
    if not fields:
        return _SPARK_TYPES.get(kind)
    named = ", ".join(f"{name}: {field}" for name, field in fields.items())
    return None if None in fields.values() else f"ARRAY<STRUCT<{named}>>"


def _typed(columns: Columns, role: str) -> list[str]:
    """Spark's select list of the columns of ``_TYPED``."""
    chosen = {"ts_us": _instant(columns)}
    if role == "exposures":
        zero = [f"x.{name} = 0" for name in ("propensity", "logging_propensity") if name in _fields(columns)]
        chosen |= {
            "item_ids": "transform(items, x -> x.item_id)",
            "ranks": "transform(items, x -> CAST(x.rank AS INT))",
            "zero_propensity": f"coalesce(exists(items, x -> {' OR '.join(zero)}), FALSE)" if zero else "FALSE",
        }
    declared = dict(part.split(" ", 1) for part in _split(_TYPED[role]))
    for name, kind in declared.items():
        chosen.setdefault(name, f"CAST({name if name in columns else 'NULL'} AS {kind})")
    return [f"{chosen[name]} AS {name}" for name in declared]


def _with_propensities(columns: Columns) -> list[str]:
    present = _fields(columns)
    fields = ", ".join(
        f"'{name}', CAST({f'x.{name}' if name in present else 'NULL'} AS DOUBLE)" for name in parquet.PROPENSITIES
    )
    return ["request_id", f"{_instant(columns)} AS ts_us", f"transform(items, x -> named_struct({fields})) AS items"]


def _with_item_propensities(columns: Columns) -> list[str]:
    present = _fields(columns)
    known = ", ".join(["NULL", *(f"CAST(x.{name} AS DOUBLE)" for name in lists.PROPENSITIES if name in present)])
    fields = f"'item_id', x.item_id, 'rank', CAST(x.rank AS INT), 'propensity', CAST(coalesce({known}) AS DOUBLE)"
    kind = f"try_element_at(context, '{lists.KIND}')" if "context" in columns else "CAST(NULL AS STRING)"
    return ["request_id", f"{kind} AS kind", f"transform(items, x -> named_struct({fields})) AS items"]


def _fields(columns: Columns) -> dict[str, str]:
    return parquet.item_fields(columns["items"])


def _split(declared: str) -> list[str]:
    """The parts between commas that stand in no bracket."""
    parts, depth = [""], 0
    for letter in declared:
        depth += (letter == "<") - (letter == ">")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def _instant(columns: Columns) -> str:
    """Microseconds since 1970. Of text they are reckoned: Spark knows no offsets beyond 18 hours."""
    if columns["ts"] != parquet.TEXT:
        return "unix_micros(ts)"
    clock = "unix_micros(CAST(concat(substr(ts, 1, 10), 'T', substr(ts, 12, 8), 'Z') AS TIMESTAMP))"
    fraction = "CAST(rpad(regexp_extract(ts, '[.]([0-9]+)', 1), 6, '0') AS BIGINT)"
    offset = "(CAST(substr(ts, -5, 2) AS BIGINT) * 60 + CAST(substr(ts, -2, 2) AS BIGINT)) * 60000000"
    return (
        f"{clock} + {fraction} - CASE WHEN upper(substr(ts, -1, 1)) = 'Z' THEN 0 "
        f"WHEN substr(ts, -6, 1) = '-' THEN -({offset}) ELSE {offset} END"
    )
