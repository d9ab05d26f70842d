"""What was shown beside what was assigned: against the twin, and what is said of it."""

import random

import pytest

import experiment_oracle as oracle
from doctor_world import world
from recsys.attribution import served_arms
from recsys.attribution.trial import TrialOptions, trials
from recsys.contracts.trial import Served

KEYS = ("experiment_id", "experiment_variant")


@pytest.fixture(scope="module")
def shop():
    """The logs of a healthy shop with one experiment, whose lists name their variant."""
    return world(3, requests=900, users=250)


def renamed(shown, requests, variant):
    """The same exposures, of which those requests name another variant."""
    return [
        {**row, "context": {**row["context"], "experiment_variant": variant}} if row["request_id"] in requests else row
        for row in shown
    ]


def tried(joined, logs, keys=KEYS):
    with joined(*logs, slice_keys=keys) as made:
        [trial] = trials(made, TrialOptions())
    return trial


def muddled(logs, rng):
    """The logs, whose lists name right, wrong and no variants; some assignments are lost, and some are of both arms."""
    shown, outcomes, assigned = logs
    names = {
        "experiment_id": ["exp-1"] * 8 + ["other", None],
        "experiment_variant": ["A", "B"] * 4 + ["treatment", None],
    }
    exposures = []
    for row in shown:
        context = row["context"] | {key: rng.choice(values) for key, values in names.items()}
        exposures.append({**row, "context": {key: value for key, value in context.items() if value is not None}})
    kept = [row for row in assigned if rng.random() < 0.7]
    again = [{**row, "variant": rng.choice("AB")} for row in kept if rng.random() < 0.2]
    return exposures, outcomes, [*kept, *again]


@pytest.mark.parametrize("scope", ["request", "user"])
@pytest.mark.parametrize("seed", range(3))
def test_every_count_is_that_of_the_twin(joined, shop, scope, seed):
    """By what was assigned and what was shown, whatever the lists name and whichever assignments there are."""
    logs = muddled(shop, random.Random(seed))
    with joined(*logs, slice_keys=KEYS, cuts=2) as made:
        [trial] = trials(made, TrialOptions(scope=scope))
    found = oracle.served(oracle.Logs(*logs), oracle.Asked("exp-1", scope=scope, keys=KEYS))
    assert {(each.assigned, each.shown): each.exposures for each in trial.served} == found
    assert len(found) == 6
    [counts] = oracle.experiment_assignments(oracle.Logs(*logs), oracle.Asked("exp-1"))
    assert trial.assignments.units_with_several == counts[-1] > 0


def test_lists_that_name_what_was_assigned(joined, shop):
    """Where all agree there is a count by arm, no reason and no note."""
    trial = tried(joined, shop)
    assert [(each.assigned, each.shown) for each in trial.served] == [("A", "A"), ("B", "B")]
    assert sum(each.exposures for each in trial.served) == trial.exposures.counts
    assert not [told for told in [*trial.reasons, *trial.notes] if "another variant" in told]


@pytest.mark.parametrize(("count", "held"), [(9, False), (10, True)])
def test_lists_of_another_arm_are_a_reason_above_one_percent(joined, shop, count, held):
    """9 of 900 lists that name the other arm are told; 10 are a reason to hold."""
    shown, outcomes, assigned = shop
    of_a = sorted(row["request_id"] for row in assigned if row["variant"] == "A")[:count]
    trial = tried(joined, (renamed(shown, set(of_a), "B"), outcomes, assigned))
    assert served_arms.counts(trial.served) == (count, 900)
    assert Served(assigned="A", shown="B", exposures=count) in trial.served
    assert any(f"{count} of 900 lists that name a variant name another" in note for note in trial.notes)
    assert (
        any("another variant than was assigned, over the limit of 1.00%" in reason for reason in trial.reasons) == held
    )


def test_a_name_that_is_no_arm_is_not_told(joined, shop):
    """It may be anything, a person's address too: it counts as no arm."""
    shown, outcomes, assigned = shop
    trial = tried(joined, (renamed(shown, {assigned[0]["request_id"]}, "anna@example.org"), outcomes, assigned))
    assert [each.exposures for each in trial.served if each.shown is None] == [1]
    assert any("say what is no arm" in note for note in trial.notes)
    assert "anna" not in str(trial)


def test_where_the_keys_were_not_read_nothing_is_known(joined, shop):
    """Then there is no count, no reason and no note."""
    trial = tried(joined, shop, keys=("surface",))
    assert trial.served is None
    assert served_arms.counts(trial.served) == (0, 0)


def test_units_with_several_assignments(joined, shop):
    """Users with one request have one row; a row that stands there again word for word is none of its own."""
    shown, outcomes, assigned = shop
    firsts = list({row["user_id"]: row for row in assigned}.values())
    seconds = [{**row, "ts": "2026-03-01T00:00:00Z"} for row in firsts[:3]]
    trial = tried(joined, (shown, outcomes, [*firsts, *seconds, *firsts]))
    assert trial.assignments.units_with_several == 3
    assert (trial.assignments.repeated, trial.units) == (len(firsts), len(firsts))
