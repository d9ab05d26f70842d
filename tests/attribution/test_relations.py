"""Every relation against its plain-Python twin, on small logs full of trouble, in any order and any cut into files."""

import random

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import relation_checks
from relation_logs import CHOSEN, many, worlds
from relations_oracle import TWINS, World

WITH_POLICY = [{"not_in_list"}, {"not_in_list", "after_window", "user_mismatch", "later_touch"}, set()]
"""Fates that occur under each of the chosen policies, beside those that occur under all."""


def test_every_relation_has_a_twin():
    """What stands in the list of relations has a twin, and every twin is one of them."""
    assert set(TWINS) == set(relation_checks.NAMES)


def reading(engine, folder):
    """Columns and rows of a query of an engine; instants, which no query of ours hands over, come through a file."""

    def read(query):
        if "make_timestamptz" in query:
            engine.write_parquet(query, folder / "rows.parquet")
            table = pq.read_table(folder / "rows.parquet")
            return table.column_names, list(zip(*(column.to_pylist() for column in table.columns), strict=True))
        names = list(engine.columns(f"SELECT * FROM ({query}\n) AS relation LIMIT 0"))
        return names, engine.rows(query)

    return read


def check(joined, folder, world, shuffler, cuts):
    """The join of the logs in some order and cut."""
    parts = [shuffler.sample(part, len(part)) for part in (world.exposures, world.outcomes, world.assignments)]
    with joined(*parts, policy=world.policy, slice_keys=world.keys, cuts=cuts) as found:
        relation_checks.check(reading(found.engine, folder), world)


@settings(max_examples=12, deadline=None)
@given(worlds, st.integers(1, 3), st.randoms())
def test_every_relation_equals_its_twin(joined, tmp_path_factory, world, cuts, shuffler):
    """All staged tables and relations have the twin's rows, whatever the policy, the slice keys, the order and the
    cut."""
    check(joined, tmp_path_factory.getbasetemp(), world, shuffler, cuts)


@pytest.mark.long
@settings(max_examples=300, deadline=None)
@given(worlds, st.integers(1, 3), st.randoms())
def test_every_relation_equals_its_twin_on_more_logs(joined, tmp_path_factory, world, cuts, shuffler):
    """The same, ten times over."""
    check(joined, tmp_path_factory.getbasetemp(), world, shuffler, cuts)


@pytest.mark.parametrize(("keys", "policy"), CHOSEN)
def test_many_logs_at_once(joined, tmp_path, keys, policy):
    """So they have on many logs together, in which every fate occurs, ambiguous lists and copies that differ."""
    world = World(*many(300), keys=keys, policy=policy)
    fates = {row["fate"] for row in TWINS["outcome_fates"](world)}
    expected = {"duplicate", "orphan", "ambiguous", "before_exposure", "attributed"}
    assert fates >= expected | WITH_POLICY[CHOSEN.index((keys, policy))]
    assert all(TWINS["outcome_flags"](world)[0].values())
    assert bool(TWINS["inferred_credits"](world)) == (policy.fallback is not None)
    check(joined, tmp_path, world, random.Random(4), 3)
