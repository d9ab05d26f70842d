"""Translation: what the relations may be written in, and that other engines are asked for the same thing."""

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
import sqlglot
from sqlglot import exp

from recsys.attribution import relations, script
from recsys.attribution.engine import dialects
from recsys.attribution.engine.dialects import DIALECTS, translated
from recsys.attribution.engine.duckdb import DuckDB
from recsys.errors import UsageError

FILES = sorted(path.stem for path in Path(relations.__file__).with_name("sql").glob("*.sql"))
OTHERS = [name for name in DIALECTS if name != "duckdb"]


def selects(name):
    return list(sqlglot.parse_one(relations.text(name), read="duckdb").find_all(exp.Select))


@pytest.mark.parametrize("name", FILES)
def test_a_relation_is_written_in_portable_sql(name):
    """No construct of DuckDB alone; and what is grouped by is spelt out, for some engines know no name of a result
    there. A list may be taken apart into its items, which each engine has a word for, but not with their places."""
    own = (exp.Qualify, exp.Lambda, exp.Dot, exp.Columns, exp.Bracket, exp.Struct, exp.Replace)
    for select in selects(name):
        found = next(select.find_all(*own), None)
        assert found is None, f"{name}: {found.sql('duckdb')}"
        group = select.args.get("group")
        if group is None:
            continue
        assert not group.args.get("all"), f"{name}: GROUP BY ALL"
        made = {part.alias for part in select.expressions if isinstance(part, exp.Alias)}
        made -= {
            part.alias
            for part in select.expressions
            if isinstance(part.this, exp.Column) and part.this.name == part.alias
        }
        named = {part.name for part in group.expressions if isinstance(part, exp.Column) and not part.table}
        assert not made & named, f"{name}: GROUP BY {made & named}"


@pytest.mark.parametrize("dialect", OTHERS)
def test_every_relation_can_be_said(dialect):
    """Every file of SQL translates, and the dialect reads what comes out, with the same columns."""
    for name in FILES:
        found = sqlglot.parse_one(translated(relations.text(name), dialect), read=dialect)
        assert found.named_selects == sqlglot.parse_one(relations.text(name), read="duckdb").named_selects, name


@pytest.mark.parametrize(
    ("query", "dialect", "expected"),
    [
        ("SELECT a // b AS c", "spark", "SELECT a DIV b AS c"),
        ("SELECT (a + 1) // b", "trino", "SELECT CAST(((a + 1) - (a + 1) % b) / b AS BIGINT)"),
        ("SELECT (a + 1) // b", "postgres", "SELECT CAST(DIV((a + 1), b) AS BIGINT)"),
        ("SELECT a // b // c", "clickhouse", "SELECT intDiv(intDiv(a, b), c)"),
        ("SELECT sum(a // 2)", "spark", "SELECT SUM(CAST((a DIV 2) AS DECIMAL(38, 0)))"),
        ("SELECT sum(a) >> 20", "spark", "SELECT CAST(SUM(CAST(a AS DECIMAL(38, 0))) DIV 1048576 AS DECIMAL(38, 0))"),
        ("SELECT a & 1048575", "spark", "SELECT a % 1048576"),
        ("SELECT a::HUGEINT", "spark", "SELECT CAST(a AS DECIMAL(38, 0))"),
        ("SELECT row_number() OVER () AS n", "spark", "SELECT MONOTONICALLY_INCREASING_ID() AS n"),
        ("SELECT array_position(a, b)", "snowflake", "SELECT (ARRAY_POSITION(b, a) + 1)"),
        ("SELECT array_position(a, b)", "clickhouse", "SELECT indexOf(a, b)"),
        ("SELECT f.a, b FROM f", "clickhouse", "SELECT f.a AS a, b FROM f"),
        ("SELECT f.a FROM f ORDER BY f.a", "spark", "SELECT f.a FROM f ORDER BY f.a NULLS LAST"),
        ("SELECT count(*) FILTER (WHERE a) AS n", "snowflake", "SELECT COUNT_IF(a) AS n"),
        ("SELECT make_timestamptz(a)", "trino", "SELECT FROM_UNIXTIME_NANOS(a * 1000)"),
    ],
)  # fmt: skip
def test_words_that_mean_another_thing_elsewhere(query, dialect, expected):
    """They are replaced, also inside each other."""
    assert translated(query, dialect) == expected


def test_places_in_a_list_count_from_one_in_spark_too():
    """Unnesting with places becomes a join with the list's items, whose places are one more than Spark's."""
    query = "SELECT e.a, unnest(l) AS item, generate_subscripts(l, 1) AS place FROM e WHERE e.b"
    assert translated(query, "spark") == (
        "SELECT e.a, item, place_from_0 + 1 AS place FROM e "
        "LATERAL VIEW POSEXPLODE(l) listed AS place_from_0, item WHERE e.b"
    )


def test_what_nobody_knows_is_refused():
    """A function without a rule, and a construct that the other engine lacks, are errors and never silently wrong."""
    with pytest.raises(sqlglot.UnsupportedError, match=r"strptime_or_so\(\) cannot be said in postgres"):
        translated("SELECT strptime_or_so(a)", "postgres")
    with pytest.raises(sqlglot.UnsupportedError):
        translated("SELECT any_value(a)", "postgres")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("snowflak", "Did you mean 'snowflake'?"), ("PostgreSQL", "Did you mean 'postgres'?"), ("x", "Known: athena,"),
        ("Redshift", "cannot be written for redshift: it cannot look an item up"), ("mysql", "has no lists"),
    ],
)  # fmt: skip
def test_unknown_dialects_are_refused_with_a_way_on(name, told):
    """The nearest known one is named, or why there is none."""
    with pytest.raises(UsageError, match="--dialect") as refused:
        dialects.known(name)
    assert told in str(refused.value)


def test_dialects_are_known_in_any_case():
    """A name is a name however it is written."""
    assert dialects.known("Snowflake").name == "snowflake"


NUMBERS = [-(2**62), -86_400_000_001, -7, -1, 0, 1, 6, 7, 86_399_999_999, 86_400_000_000, 7_289_654_339_999_999, 2**62]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def test_quotients_on_postgres_are_those_of_duckdb(postgres, tmp_path):
    """They are cut towards zero, and the remainder has the sign of what is divided."""
    numbers = ", ".join(f"({number}::BIGINT)" for number in NUMBERS)
    query = f"SELECT a // 7, a // 86400000000, a % 7, sum(a) OVER () FROM (VALUES {numbers}) AS t(a)"
    with psycopg.connect(postgres) as connection, closing(DuckDB(tmp_path)) as engine:
        found = connection.execute(translated(query, "postgres")).fetchall()
        assert [tuple(map(int, row)) for row in found] == engine.rows(query)


def test_instants_on_postgres_are_exact(postgres):
    """To the microsecond, in all the years that an instant may have."""
    micros = [(year - 1970) * 31_556_952_000_000 + 999_999 for year in range(1969, 2201)]
    instants = ", ".join(f"({each})" for each in micros)
    query = f"SELECT a, make_timestamptz(a) FROM (VALUES {instants}) AS t(a)"
    with psycopg.connect(postgres) as connection:
        for asked, instant in connection.execute(translated(query, "postgres")):
            assert instant == EPOCH + timedelta(microseconds=asked)


def test_the_listed_relations_have_files():
    """Every relation of the list has its file, and its first line says what a row of it is."""
    for name in script.READS:
        assert name in FILES
        assert script.header(name).startswith("-- Grain: one row")
