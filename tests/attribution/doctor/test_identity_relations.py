"""The doctor's relations about identity and keys against their plain-Python twins."""

import dataclasses
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import relation_logs
from doctor_oracle_identity import TWINS
from recsys.attribution import relations
from relation_checks import counted
from relations_oracle import World

SECOND = 1_000_000
HASHES = ["0" * 63 + "a", "f" * 64]
USERS = ["u1", " U1", *HASHES, HASHES[0].upper(), "e" * 63, "e" * 65]


def renamed(world, shuffler):
    """The same logs with users of all forms: pseudonyms, raw ids, other spellings, request ids; half of them agree."""
    names = {}

    def user(row):
        if shuffler.random() < 0.5:
            return names.setdefault(row["request_id"], shuffler.choice(USERS))
        return shuffler.choice([*USERS, row["request_id"]])

    def changed(rows):
        return [{**row, "user_id": user(row)} for row in rows]

    return dataclasses.replace(world, exposures=changed(world.exposures), outcomes=changed(world.outcomes))


def check(joined, world, width, cuts=1):
    with joined(
        world.exposures, world.outcomes, world.assignments, policy=world.policy, slice_keys=world.keys, cuts=cuts
    ) as found:
        found.engine.load("doctor", {"as_of_us": "BIGINT", "bucket_us": "BIGINT"}, [(0, width)])
        found.engine.create("user_pairs", relations.text("user_pairs"))
        for name, twin in TWINS.items():
            names = list(found.engine.columns(f"SELECT * FROM ({relations.text(name)}\n) AS relation LIMIT 0"))
            columns, rows = counted(names, found.engine.rows(relations.text(name)))
            expected = twin(world, width)
            assert rows == counted(columns, [tuple(row[column] for column in columns) for row in expected])[1], name
            assert not expected or set(columns) == set(expected[0]), name


@settings(max_examples=6, deadline=None)
@given(relation_logs.worlds, st.sampled_from([SECOND, 60 * SECOND, 86_400 * SECOND]), st.integers(1, 3), st.randoms())
def test_relations_equal_their_twins(joined, world, width, cuts, shuffler):
    """On small logs full of trouble each relation has its twin's rows, in any order of rows and any cut into files."""
    world = renamed(world, shuffler)
    for log in (world.exposures, world.outcomes, world.assignments):
        shuffler.shuffle(log)
    check(joined, world, width, cuts)


@pytest.mark.parametrize(("keys", "policy"), relation_logs.CHOSEN)
def test_many_logs_at_once(joined, keys, policy):
    """So they have on many logs together, in which every form of a mismatch occurs, ambiguous lists and known users."""
    world = renamed(World(*relation_logs.many(120), keys=keys, policy=policy), random.Random(5))
    forms = {row["form"] for row in TWINS["user_pairs"](world, SECOND)}
    assert forms == {"spelling", "hashed", "raw_outcome", "raw_exposure", "raw"}
    assert any(row["in_place"] for row in TWINS["user_pairs"](world, SECOND))
    assert any(row["outcomes"] for row in TWINS["ambiguous_requests"](world, SECOND))
    assert sum(row["unmarked"] for row in TWINS["exposure_marks"](world, SECOND))
    check(joined, world, 3_600 * SECOND)


@pytest.mark.long
@settings(max_examples=150, deadline=None)
@given(relation_logs.worlds, st.sampled_from([SECOND, 3_600 * SECOND]), st.integers(1, 3), st.randoms())
def test_relations_equal_their_twins_on_more_logs(joined, world, width, cuts, shuffler):
    """The same, many times over."""
    check(joined, renamed(world, shuffler), width, cuts)
