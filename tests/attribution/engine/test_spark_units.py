"""Spark: the sums over an experiment's units are those of the plain-Python twin too."""

import random

import pytest

import spark_logs
from recsys.evaluation.experiment.needs import Needs, of_columns
from relations_oracle import World
from unit_checks import CHOSEN, COLUMNS, check
from unit_logs import KEYS, many

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
NEEDED = (
    of_columns("revenue", "revenue_uncapped", "clicks", "exposures")
    | of_columns("score:mrr@2", "responded", "pre_score:mrr@2", "pre_clicks", "pre_revenue")
    | of_columns("covariate", "has_covariate", "has_history")
    | Needs(frozenset(COLUMNS), latency=True, spread=True, cuts=frozenset({1, 2}))
)


@pytest.mark.parametrize(("name", "declared"), [("request", None), ("as of", 10_000_000)])
def test_every_figure_is_that_of_the_twin(spark, tmp_path, name, declared):
    """Sums, products, buckets, slices, cap, latency, origins, maturity, match rates and impressions of many logs at
    once are equal, exactly."""
    logs = many(range(20))
    world = World(logs.exposures, logs.outcomes, logs.assignments, keys=KEYS, policy=CHOSEN[name][1])
    made = spark_logs.joined(spark, tmp_path, world, "jsonl", random.Random(3))
    check(made, logs, CHOSEN[name], NEEDED, declared)
