"""The relations in the SQL of other engines: read as DuckDB's, rewritten where the same words mean another thing there.

What sqlglot translates rightly by itself is left to it. A function that neither it nor this page knows is refused, so
that no query comes out in words that its engine does not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import sqlglot
from sqlglot import exp

from recsys.attribution.engine import unnesting
from recsys.errors import UsageError, nearest


@dataclass(frozen=True)
class Dialect:
    """An engine that a person may have. ``proven``: tests run every relation there and compare its rows."""

    name: str
    title: str
    proven: bool = False
    note: str = ""


DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {
        dialect.name: dialect
        for dialect in (
            Dialect("duckdb", "DuckDB", proven=True),
            Dialect("postgres", "PostgreSQL", proven=True),
            Dialect("spark", "Apache Spark 4", proven=True, note="It needs ANSI mode and the session time zone UTC."),
            Dialect("databricks", "Databricks", note="It needs ANSI mode and the session time zone UTC."),
            Dialect("snowflake", "Snowflake"),
            Dialect("bigquery", "BigQuery"),
            Dialect("trino", "Trino"),
            Dialect(
                "athena",
                "Amazon Athena",
                note="It makes tables of Iceberg only: give the script's a LOCATION and 'table_type' = 'ICEBERG'.",
            ),
            Dialect(
                "clickhouse", "ClickHouse", note="It needs SET join_use_nulls = 1: else what is absent is no NULL."
            ),
        )
    }
)
"""Those whose SQL has the lists, windows and joins that the relations use."""

UNUSABLE: Mapping[str, str] = MappingProxyType(
    {
        "redshift": "it cannot look an item up in a list",
        "mysql": "it has no lists",
        "sqlite": "it has no lists",
        "tsql": "it has no lists",
        "oracle": "it has no lists in a query",
    }
)

# By kind of expression, or name of function: the engines in which it is written in another way than sqlglot's, and how
_MICROSECONDS = "make_timestamptz"
_SPARK_SUM = "SUM(CAST(:a AS DECIMAL(38, 0)))"  # of BIGINT it would be a BIGINT, which sums of scores overflow
_EXACT_QUOTIENT = "CAST((:a - :a % :b) / :b AS BIGINT)"  # their `/` rounds where a number is no INTEGER
_OWN_WORDS: Mapping[type[exp.Expr] | str, Mapping[str, str]] = MappingProxyType(
    {
        _MICROSECONDS: {
            "postgres": "(TIMESTAMPTZ 'epoch' + :a * INTERVAL '1 microsecond')",
            "spark": "TIMESTAMP_MICROS(:a)",
            "databricks": "TIMESTAMP_MICROS(:a)",
            "snowflake": "TO_TIMESTAMP_LTZ(:a, 6)",
            "bigquery": "TIMESTAMP_MICROS(:a)",
            "trino": "FROM_UNIXTIME_NANOS(:a * 1000)",
            "athena": "FROM_UNIXTIME_NANOS(:a * 1000)",
            "clickhouse": "fromUnixTimestamp64Micro(:a, 'UTC')",
        },
        exp.ArrayPosition: {
            "snowflake": "(ARRAY_POSITION(:b, :a) + 1)",  # it counts from 0; the array is a structured one
            "bigquery": "(SELECT place + 1 FROM UNNEST(:a) AS listed WITH OFFSET AS place WHERE listed = :b)",
            "clickhouse": "indexOf(:a, :b)",
        },
        exp.IntDiv: {
            "postgres": "CAST(DIV(:a, :b) AS BIGINT)",
            "snowflake": _EXACT_QUOTIENT,
            "trino": _EXACT_QUOTIENT,
            "athena": _EXACT_QUOTIENT,
            "clickhouse": "intDiv(:a, :b)",
        },
        exp.ArrayToString: {"clickhouse": "arrayStringConcat(:a, :b)"},
        exp.Sum: {"spark": _SPARK_SUM, "databricks": _SPARK_SUM},
    }
)
_SPARKS = ("spark", "databricks")


def known(name: str, where: str = "--dialect") -> Dialect:
    """The dialect of this name; UsageError names the nearest known one, or says why there is none."""
    plain = name.casefold()
    if plain in UNUSABLE:
        told = f"the relations cannot be written for {plain}: {UNUSABLE[plain]}"
        raise UsageError(told, where=where, expected=", ".join(DIALECTS))
    if plain not in DIALECTS:
        raise UsageError("no such dialect", where=where, found=name[:80], hint=nearest(name, list(DIALECTS)))
    return DIALECTS[plain]


@lru_cache(maxsize=1024)
def translated(query: str, dialect: str, *, pretty: bool = False) -> str:
    """``query``, which is in DuckDB's dialect, in another; sqlglot's UnsupportedError where it cannot be said there."""
    tree = sqlglot.parse_one(query, read="duckdb")
    if dialect in _SPARKS:
        unnesting.number_places(tree)
    for node in reversed(list(tree.walk())):  # what is inside comes first
        new = _rewritten(node, dialect)
        if new is node:
            continue
        if node is tree:
            tree = new
        else:
            node.replace(new)
    if dialect == "clickhouse":
        _name_columns(tree)
    return tree.sql(dialect, pretty=pretty, unsupported_level=sqlglot.ErrorLevel.RAISE)


def _rewritten(node: exp.Expr, dialect: str) -> exp.Expr:
    if isinstance(node, exp.Anonymous):
        name = node.name.lower()
        if dialect not in _OWN_WORDS.get(name, {}):
            raise sqlglot.UnsupportedError(f"{name}() cannot be said in {dialect}")
        return _said(_OWN_WORDS[name][dialect], dialect, *node.expressions)
    if isinstance(node, exp.DataType) and node.is_type("INT128"):
        return exp.DataType.build("DECIMAL(38, 0)")
    if dialect in _SPARKS and isinstance(node, exp.Window | exp.BitwiseRightShift | exp.BitwiseAnd):
        return _in_spark(node, dialect)
    words = _OWN_WORDS.get(type(node), {}).get(dialect)
    return node if words is None else _said(words, dialect, node.this, node.args.get("expression"))


def _name_columns(tree: exp.Expr) -> None:
    """ClickHouse calls a column of one of several tables ``table.column``, unless it is told to call it ``column``."""
    for select in tree.find_all(exp.Select):
        for part in select.expressions:
            if isinstance(part, exp.Column) and part.table and not isinstance(part.this, exp.Star):
                part.replace(exp.alias_(part.copy(), part.name))


def _said(words: str, dialect: str, *parts: exp.Expr | None) -> exp.Expr:
    """``words`` of the dialect with the parts in place of ``:a`` and ``:b``."""
    named = {name: _closed(part) for name, part in zip("ab", parts, strict=False) if part is not None}
    return exp.replace_placeholders(sqlglot.parse_one(words, read=dialect), **named)


def _closed(part: exp.Expr) -> exp.Expr:
    return exp.Paren(this=part.copy()) if isinstance(part, exp.Binary | exp.Neg | exp.Not) else part.copy()


def _in_spark(node: exp.Expr, dialect: str) -> exp.Expr:
    """Numbers without an order would all be given in one task; and wide sums know neither shifts nor masks: of a sum
    that is not negative they are a quotient and a remainder."""
    if isinstance(node, exp.Window):
        bare = isinstance(node.this, exp.RowNumber) and not node.args.get("partition_by") and not node.args.get("order")
        return exp.func("MONOTONICALLY_INCREASING_ID") if bare and not node.alias else node
    bits = int(node.expression.name)
    if isinstance(node, exp.BitwiseAnd):
        return _said(f":a % {bits + 1}", dialect, node.this)
    return _said(f"CAST(:a DIV {1 << bits} AS DECIMAL(38, 0))", dialect, node.this)


def column_type(kind: str, dialect: Dialect) -> str:
    """A type in DuckDB's words as one of the dialect for a column; of text the order of bytes, as everywhere."""
    written = exp.DataType.build(kind, dialect="duckdb").sql(dialect.name)
    return f'{written} COLLATE "C"' if dialect.name == "postgres" and kind.startswith("VARCHAR") else written


def table_options(dialect: Dialect) -> str:
    """What stands between the name of a new table, or its columns, and AS."""
    return " ENGINE = MergeTree ORDER BY tuple()" if dialect.name == "clickhouse" else ""
