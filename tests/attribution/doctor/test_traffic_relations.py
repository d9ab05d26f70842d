"""The doctor's relations about time, repetitions and traffic against their plain-Python twins."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import doctor_oracle_identity
import doctor_oracle_traffic
import relation_logs
from doctor_oracle_traffic import TWINS
from recsys.attribution import relations
from relation_checks import counted
from relations_oracle import World

SECOND = 1_000_000


def check(joined, world, limits, cuts=1):
    """Each relation has the twin's rows; what differs between engines and runs, ``row_number``, is left out."""
    with joined(
        world.exposures, world.outcomes, world.assignments, policy=world.policy, slice_keys=world.keys, cuts=cuts
    ) as found:
        found.engine.load("doctor", dict.fromkeys(limits, "BIGINT"), [tuple(limits.values())])
        for name, twin in TWINS.items():
            names = list(found.engine.columns(f"SELECT * FROM ({relations.text(name)}\n) AS relation LIMIT 0"))
            columns, rows = counted(names, found.engine.rows(relations.text(name)))
            expected = twin(world, limits)
            assert rows == counted(columns, [tuple(row[column] for column in columns) for row in expected])[1], name
            assert not expected or set(columns) == set(expected[0]), name


limits = st.fixed_dictionaries(
    {
        "as_of_us": st.just(0),
        "bucket_us": st.sampled_from([SECOND, 60 * SECOND, 86_400 * SECOND]),
        "same_list_us": st.sampled_from([SECOND, 3_600 * SECOND]),
        "replaced_us": st.sampled_from([SECOND, 7_200 * SECOND]),
    }
)


@settings(max_examples=6, deadline=None)
@given(relation_logs.worlds, limits, st.integers(1, 3), st.randoms())
def test_relations_equal_their_twins(joined, world, limits, cuts, shuffler):
    """On small logs full of trouble each relation has its twin's rows, in any order of rows and any cut into files."""
    for log in (world.exposures, world.outcomes, world.assignments):
        shuffler.shuffle(log)
    check(joined, world, limits, cuts)


def test_many_logs_at_once(joined):
    """So they have on many logs together: lists follow lists, clicks follow clicks, duplicates are of both kinds."""
    keys, policy = relation_logs.CHOSEN[0]
    shown, done, assigned = relation_logs.many(40)
    done = [{**row, "event_id": f"own-{place}"} if place % 2 else row for place, row in enumerate(done)]
    again = [{**row, "request_id": f"{row['request_id']}-again"} for row in shown[::5]]
    others = [{**row, "request_id": f"{row['request_id']}-other", "items": row["items"][:1]} for row in shown[1::5]]
    shown += again + others
    world = World(shown, done, assigned, keys=keys, policy=policy)
    limits = {"as_of_us": 0, "bucket_us": 60 * SECOND, "same_list_us": 86_400 * SECOND, "replaced_us": 60 * SECOND}
    assert {row["kind"] for row in TWINS["duplicate_outcomes"](world, limits)} == {"redelivery", "retry"}
    assert {row["same_list"] for row in TWINS["following_lists"](world, limits)} == {True, False}
    assert {row["replaced"] for row in TWINS["following_lists"](world, limits)} == {True, False}
    assert {row["event_type"] for row in TWINS["repeated_outcomes"](world, limits)} == {"click", "conversion"}
    check(joined, world, limits)


@pytest.mark.long
@settings(max_examples=150, deadline=None)
@given(relation_logs.worlds, limits, st.integers(1, 3), st.randoms())
def test_relations_equal_their_twins_on_more_logs(joined, world, limits, cuts, shuffler):
    """The same, many times over."""
    check(joined, world, limits, cuts)


def test_every_relation_of_the_doctor_has_a_twin():
    """Whoever adds a relation adds its twin."""
    assert set(relations.DOCTOR) == {*doctor_oracle_identity.TWINS, *doctor_oracle_traffic.TWINS}
