"""PostgreSQL: the doctor's relations, translated, are those of the plain-Python twins too."""

from contextlib import closing

import pytest

import doctor_relations
from postgres_engine import Postgres
from recsys.attribution import relations
from recsys.attribution.engine import dialects
from relation_logs import CHOSEN, many
from relations_oracle import World


@pytest.mark.parametrize(("keys", "policy"), CHOSEN)
def test_every_relation_equals_its_twin(joined, postgres, keys, policy):
    """Each has the rows of its twin on PostgreSQL, on many small logs full of trouble."""
    world = World(*many(60), keys=keys, policy=policy)
    with (
        joined(world.exposures, world.outcomes, world.assignments, policy=policy, slice_keys=keys) as made,
        closing(Postgres(postgres, made.engine)) as engine,
    ):
        engine.run(f"CREATE TABLE doctor ({', '.join(f'{name} BIGINT' for name in doctor_relations.PARAMETERS)})")
        engine.copy("doctor", ", ".join(doctor_relations.PARAMETERS), [tuple(doctor_relations.PARAMETERS.values())])
        for name in doctor_relations.read_by_others():
            engine.run(f"CREATE TABLE {name} AS {dialects.translated(relations.text(name), 'postgres')}")
        doctor_relations.check(engine.read, world)
