"""The split of arms that was planned: by experiment, and refused where it is of none."""

import pytest

import doctor_world
from doctor_world import examine
from recsys.errors import ConfigError

PLANNED = "sample_ratio: {weights: {old: {A: 9, B: 1}}}\n"


@pytest.fixture(scope="module")
def logs():
    """A shop with an experiment of 90 to 10, ``old``, and one of equal arms, ``new``."""
    shown, done, assigned = doctor_world.world(6, requests=700, users=200)
    shown = [{**row, "context": {"tenant_id": "shop", "surface": row["context"]["surface"]}} for row in shown]
    rows = []
    for row in assigned:
        tenth, half = int(row["user_id"][:4], 16) % 10 == 0, int(row["user_id"][4:8], 16) % 2
        rows.append({**row, "experiment_id": "old", "variant": "B" if tenth else "A"})
        rows.append({**row, "experiment_id": "new", "variant": "B" if half else "A"})
    return shown, done, rows


def mismatches(logs, thresholds=None):
    found = examine(*logs, thresholds=thresholds).findings
    assert {each.detector for each in found} <= {"sample_ratio"}
    return {each.subject: each.evidence.facts for each in found}


def test_a_split_that_was_planned(logs):
    """90 to 10 is a mismatch of equal arms, and none of its own weights, which say nothing of the other experiment."""
    assert set(mismatches(logs)) == {"old"}
    assert mismatches(logs, PLANNED) == {}
    assert set(mismatches(logs, PLANNED.replace("old: {", "new: {A: 9, B: 1}, old: {"))) == {"new"}


def test_arms_that_were_not_planned(logs):
    """An arm that nobody is in, and one that nobody planned, are told by name, whatever the others are."""
    facts = mismatches(logs, PLANNED.replace("B: 1", "C: 1"))["old"]
    assert facts[:2] == ["Not one subject is in C.", "Not planned: B."]


def test_names_that_yaml_takes_for_numbers(logs):
    """An arm that is called 1 is 1."""
    shown, done, rows = logs
    numbered = [{**row, "variant": "12"["AB".index(row["variant"])]} for row in rows]
    assert mismatches((shown, done, numbered), PLANNED.replace("A: 9, B: 1", "1: 9, 2: 1")) == {}


def test_an_experiment_that_is_not_in_the_log(logs):
    """A misspelt name is an error that names the nearest; without assignments nothing is judged."""
    with pytest.raises(ConfigError, match=r"no assignment names .*'odl'.*Did you mean 'old'\?"):
        examine(*logs, thresholds=PLANNED.replace("old", "odl"))
    assert examine(*logs[:2], thresholds=PLANNED).findings == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{weight_A: 9}", "unknown key"),
        ("{weights: 9}", "not weights"),
        ("{weights: {old: 9}}", "not the weights of arms"),
        ("{weights: {old: {A: 9}}}", "two arms at least"),
        ("{weights: {old: {A: 9, B: 0}}}", r"weights.old.B: not a usable value"),
        ("{weights: {old: {A: 9, B: -1}}}", "not a usable value"),
        ("{weights: {old: {A: 9, B: .inf}}}", "not a usable value"),
        ("{weights: {old: {A: 9, B: ten}}}", "not a usable value"),
        ("{weights: {old: {on: 9, off: 1}}}", "a name, in quotes"),
    ],
)
def test_weights_that_are_refused(text, told):
    """Each with what was expected, before any log is read."""
    with pytest.raises(ConfigError, match=told):
        examine([], [], thresholds=f"sample_ratio: {text}\n")
    with pytest.raises(ConfigError, match="unknown key"):
        examine([], [], thresholds="bots: {weights: {old: {A: 9, B: 1}}}\n")
