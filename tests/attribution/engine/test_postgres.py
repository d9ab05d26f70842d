"""PostgreSQL: the script that is printed for it makes the very relations that the plain-Python twins give."""

from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import relation_checks
from postgres_engine import Postgres
from relation_logs import CHOSEN, many, worlds
from relations_oracle import World


def check(joined, postgres, world, parts, cuts=1):
    with (
        joined(*parts, policy=world.policy, slice_keys=world.keys, cuts=cuts) as found,
        closing(Postgres(postgres, found.engine)) as engine,
    ):
        relation_checks.check(engine.read, world)


@settings(max_examples=8, deadline=None)
@given(worlds, st.integers(1, 3), st.randoms())
def test_every_relation_equals_its_twin(joined, postgres, world, cuts, shuffler):
    """All relations have the twin's rows on PostgreSQL, whatever the policy, the slice keys, the order and the cut."""
    parts = [shuffler.sample(part, len(part)) for part in (world.exposures, world.outcomes, world.assignments)]
    check(joined, postgres, world, parts, cuts)


@pytest.mark.parametrize(("keys", "policy"), CHOSEN)
def test_many_logs_at_once(joined, postgres, keys, policy):
    """So they have on many logs together."""
    parts = many(300)
    check(joined, postgres, World(*parts, keys=keys, policy=policy), parts)
