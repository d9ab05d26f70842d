"""The join as a script for a warehouse: what it makes, in which order, of which columns."""

import re

import duckdb
import pytest

from recsys.attribution import relations, script, staged
from recsys.attribution.engine.dialects import DIALECTS, known
from recsys.attribution.policy import Fallback, Policy


def made(text):
    """The tables and views that a script makes, in order."""
    return re.findall(r"^CREATE (?:TABLE|VIEW) (\w+)", text, re.M)


@pytest.mark.parametrize("name", script.READS)
def test_what_a_relation_needs_comes_before_it(name):
    """Of one relation the script makes the staged tables, and then whatever it comes of, each after what it reads."""
    names = script.needed(name)
    experiment = "exp-1" if script.reads_experiment(names) else None
    order = made(script.script(names, known("spark"), Policy(), experiment))
    given = [*relations.STAGED, *(["experiment"] if experiment else [])]
    assert order[: len(given)] == given
    assert order[-1] == name
    for place, each in enumerate(order):
        assert set(script.READS.get(each, ())) <= set(order[:place])


def test_of_a_relation_only_what_it_needs_is_made():
    """Nothing else is in the script."""
    assert script.needed("users") == ["repeated_requests", "settled_exposures", "exposures", "users"]


def test_the_described_columns_are_those_of_staging(joined):
    """Their names, types and order are those of the tables that staging makes; all of the policy are explained."""
    exposure = {"request_id": "r", "user_id": "u", "ts": "2026-02-05T10:00:00Z", "items": [{"item_id": "a", "rank": 1}]}
    outcome = {name: exposure[name] for name in ("request_id", "user_id", "ts")} | {
        "item_id": "a",
        "event_type": "click",
    }
    with joined([exposure], [outcome]) as found:
        for name in relations.STAGED:
            _, columns = staged.TABLES[name]
            described = found.engine.rows(f"SELECT column_name, column_type FROM (DESCRIBE {name})")
            assert described == [(column, kind) for column, (kind, _) in columns.items()]
    for name in ("policy", "experiment"):
        assert all(meaning for _, meaning in staged.TABLES[name][1].values())


def test_the_script_runs_as_it_stands():
    """On DuckDB it makes every relation, empty as the logs are, and the row of the policy that it was given."""
    policy = Policy(tolerance_s=1.5, windows_s={"click": None, "conversion": 9.0}, fallback=Fallback(credit="all"))
    with duckdb.connect() as connection:
        connection.execute(script.script(list(script.READS), known("duckdb"), policy, "it's"))
        assert connection.execute("FROM policy").fetchall() == policy.table()[1]
        assert connection.execute("FROM experiment").fetchall() == [("it's", "request", None, 9_000_000, 1_500_000)]
        one = {"users", "outcome_flags", "inferred_outcomes", "unjoined_outcomes", "experiment_assignments"}
        for name in script.READS:
            rows = connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]
            assert rows == (1 if name in one else 0), name


@pytest.mark.parametrize("name", DIALECTS)
def test_a_script_says_how_far_it_is_proven(name):
    """The first line tells whether tests run it on that engine; what the engine must be set to follows."""
    first, second, *_ = script.script(["users"], known(name), Policy()).splitlines()
    assert ("run by the tests" in first) == (name in {"duckdb", "postgres", "spark"})
    assert (DIALECTS[name].note in second) == bool(DIALECTS[name].note) or not DIALECTS[name].note


def test_text_is_quoted():
    """A word with a quote in it is one word of the script still."""
    assert script.literal("it's") == "'it''s'"
    assert script.literal(None) == "NULL"
    assert script.literal(5) == "5"
