"""PostgreSQL: the relations of experiments, translated, are those of the plain-Python twins too."""

from collections import Counter
from contextlib import closing

import pytest

import experiment_oracle as oracle
from experiment_logs import CHOSEN, many
from postgres_engine import Postgres
from recsys.attribution import relations
from recsys.attribution.engine import dialects
from recsys.attribution.experiment import COLUMN_TYPES
from relation_checks import plain


@pytest.mark.parametrize("params", CHOSEN, ids=lambda params: params.scope)
def test_every_relation_equals_its_twin(joined, postgres, params):
    """Each has the rows of its twin on PostgreSQL, on many small logs full of trouble."""
    found = many(60)
    with (
        joined(found.exposures, found.outcomes, found.assignments) as made,
        closing(Postgres(postgres, made.engine)) as engine,
    ):
        _make(engine, params)
        for name, twin in oracle.RELATIONS.items():
            columns, rows = engine.read(relations.text(name))
            assert tuple(columns) == oracle.COLUMNS[name]
            expected = Counter(map(plain, twin(found, params)))
            assert Counter(map(plain, rows)) == expected, name


def _make(engine, params):
    """The parameters and the tables of the experiment."""
    postgres = dialects.known("postgres")
    types = ", ".join(f"{name} {dialects.column_type(kind, postgres)}" for name, kind in COLUMN_TYPES.items())
    engine._connection.execute(f"CREATE TABLE experiment ({types})")
    engine._connection.execute("INSERT INTO experiment VALUES (%s, %s, %s, %s, %s)", params.row)
    for name in relations.EXPERIMENT_TABLES:
        kind = "VIEW" if name in relations.EXPERIMENT_VIEWS else "TABLE"
        engine._connection.execute(f"CREATE {kind} {name} AS {dialects.translated(relations.text(name), 'postgres')}")
