"""Spark: every relation is that of the plain-Python twin, from JSON lines and from Parquet, and values are Python's."""

import random
from collections import Counter

import numpy as np
import pyarrow.parquet as pq
import pytest

import doctor_relations
import experiment_logs
import experiment_oracle
import relation_checks
import spark_logs
from recsys.attribution import experiment, relations, script
from recsys.errors import InputError
from relation_logs import CHOSEN, many
from relations_oracle import World

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


def reading(engine, folder):
    """Columns and rows of a query; instants, which no query of ours hands over, come through a file."""

    def read(query):
        if "make_timestamptz" not in query:
            found = engine.frame(query)
            return found.columns, engine.rows(query)
        engine.write_parquet(query, folder / "rows.parquet")
        table = pq.read_table(folder / "rows.parquet")
        return table.column_names, list(zip(*(column.to_pylist() for column in table.columns), strict=True))

    return read


@pytest.mark.parametrize(("place", "kind"), [(0, "jsonl"), (1, "jsonl"), (2, "parquet")])
def test_every_relation_equals_its_twin(spark, tmp_path, place, kind):
    """On many random logs at once all staged tables and relations have the twin's rows, in some order and cut."""
    keys, policy = CHOSEN[place]
    world = World(*many(300), keys=keys, policy=policy)
    spark_logs.joined(spark, tmp_path, world, kind, random.Random(place))
    relation_checks.check(reading(spark, tmp_path), world)


def test_every_relation_of_an_experiment_equals_its_twin(spark, tmp_path):
    """So have those of experiments, and those of the log as a whole, under the same names."""
    found, params = experiment_logs.many(150), experiment_logs.CHOSEN[1]
    world = World(found.exposures, found.outcomes, found.assignments)
    made = spark_logs.joined(spark, tmp_path, world, "jsonl", random.Random(7))
    spark.load("experiment", dict(experiment.COLUMN_TYPES), [params.row])
    for name in relations.EXPERIMENT_TABLES:
        spark.create(name, relations.text(name), view=name in relations.EXPERIMENT_VIEWS)
    for name in (*relations.EXPERIMENT_TABLES, *relations.EXPERIMENT_QUERIES):
        expected = Counter(experiment_oracle.RELATIONS[name](found, params))
        assert Counter(spark.rows(relations.text(name))) == expected, name
    experiment.settle_log(made)
    whole_log = experiment_oracle.Asked(experiment_id="")
    expected = Counter(experiment_oracle.experiment_unit_sums(found, whole_log, whole_log=True))
    assert Counter(spark.rows("SELECT * FROM experiment_unit_sums")) == expected
    experiment.settle_users(made)
    for name, twin in (("experiment_exposures", "log_exposures"), ("experiment_units", "log_units")):
        expected = Counter(getattr(experiment_oracle, twin)(found, whole_log))
        assert Counter(spark.rows(f"SELECT * FROM {name}")) == expected, twin


def test_every_relation_of_the_doctor_equals_its_twin(spark, tmp_path):
    """So have those of the doctor."""
    keys, policy = CHOSEN[1]
    world = World(*many(300), keys=keys, policy=policy)
    spark_logs.joined(spark, tmp_path, world, "jsonl", random.Random(8))
    spark.load(
        "doctor", dict.fromkeys(doctor_relations.PARAMETERS, "BIGINT"), [(*doctor_relations.PARAMETERS.values(),)]
    )
    for name in doctor_relations.read_by_others():
        spark.create(name, relations.text(name))
    doctor_relations.check(reading(spark, tmp_path), world)


def test_tables_hold_what_was_loaded(spark):
    """Text, numbers, truth and NULL come back as they went in; sums are whole numbers of any size; a name is taken
    anew."""
    types = {"a": "VARCHAR", "b": "BIGINT", "c": "DOUBLE", "d": "BOOLEAN"}
    rows = [("é'\"\\", 2**63 - 1, 0.1 + 0.2, True), (None, None, None, None), ("", -1, 5e-324, False)]
    spark.load("loaded", types, [(1, 1, 1.0, True)])
    spark.load("loaded", types, rows)
    assert Counter(spark.rows("SELECT a, b, c, d FROM loaded")) == Counter(rows)
    spark.load("large", {"n": "BIGINT"}, [(2**63 - 1,)] * 5)
    [(total, square)] = spark.rows("SELECT sum(n), sum(n::HUGEINT * 1000000) FROM large")
    assert (total, square) == (5 * (2**63 - 1), 5_000_000 * (2**63 - 1))
    assert type(total) is int
    [(listed, place)] = spark.rows("SELECT (SELECT max(b) FROM loaded), count(*) FROM loaded")
    assert (listed, place) == (2**63 - 1, 3)
    odd = "${env:HOME} \\u0041 '\\"
    assert spark.rows(f"SELECT {script.literal(odd)} AS told") == [(odd,)]
    spark.load("nothing", types, [])
    assert spark.rows("SELECT * FROM nothing") == []


def test_rows_come_in_their_order(spark, tmp_path):
    """By batches, by column and in a file they come in the order of the query, however many parts Spark made."""
    spark.load("numbers", {"n": "BIGINT"}, [(n * 7919 % 100_003,) for n in range(50_000)])
    query = "SELECT n, CASE WHEN n % 3 > 0 THEN 't' || n % 3 END AS t, n % 2 = 0 AS even FROM numbers ORDER BY n DESC"
    expected = sorted(((n * 7919) % 100_003 for n in range(50_000)), reverse=True)
    batches = list(spark.batches(query, 20_000))
    assert [len(batch) for batch in batches] == [20_000, 20_000, 10_000]
    assert [row[0] for batch in batches for row in batch] == expected
    columns = spark.columns(query)
    assert columns["n"].tolist() == expected
    assert columns["t"].dtype == object
    assert columns["even"].dtype == np.bool_
    spark.write_parquet(query, tmp_path / "rows.parquet")
    assert pq.read_table(tmp_path / "rows.parquet").column("n").to_pylist() == expected


def test_a_view_is_looked_up_anew(spark):
    """What a view reads may be made anew; the view gives what is there when it is asked."""
    spark.load("below", {"n": "BIGINT"}, [(1,)])
    spark.create("above", "SELECT n + 1 AS n FROM below", view=True)
    spark.create("kept", "SELECT n FROM above")
    spark.load("below", {"n": "BIGINT"}, [(5,)])
    assert (spark.rows("SELECT n FROM above"), spark.rows("SELECT n FROM kept")) == ([(6,)], [(2,)])
    spark.create("kept", "SELECT n + 10 AS n FROM kept")
    assert spark.rows("SELECT n FROM kept") == [(12,)]


def test_errors_are_told_in_words_of_ours(spark, tmp_path, capfd):
    """A log that cannot be read after all, and a product that has no room, are errors of ours; nobody says anything
    else, and Spark goes on."""
    world = World(*many(2))
    dataset = spark_logs.accepted(tmp_path, {"exposures": world.exposures, "outcomes": world.outcomes}, "jsonl", 1)
    dataset.outcomes.paths[0].write_text('{"request_id": "r", "ts": \n')
    with pytest.raises(InputError, match="the logs cannot be joined"):
        spark.stage(dataset.exposures, dataset.outcomes, None, ())
    spark.load("large", {"n": "BIGINT"}, [(2**62,), (2**62,)])
    with pytest.raises(InputError, match="overflow"):
        spark.rows("SELECT n * 2 FROM large")
    with pytest.raises(InputError, match="no_such_table"):
        spark.rows("SELECT n FROM no_such_table")
    assert spark.rows("SELECT count(*) FROM large") == [(2,)]
    assert capfd.readouterr() == ("", "")
