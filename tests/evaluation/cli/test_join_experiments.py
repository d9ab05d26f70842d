"""recsys-eval join with an assignment log, as a process: who counts, the figures, and the exit status."""

import json
from collections import Counter

import pytest


@pytest.fixture
def trial_logs(exposure, outcome, write):
    """Logs of two arms, 60 users each with two lists; every third list has a click, in arm B every second: options."""
    shown, done, assigned = [], [], []
    for number in range(240):
        user = number % 120
        arm = "AB"[user % 2]
        row = exposure(number, user_id=f"u{user}")
        shown.append(row)
        keys = {name: row[name] for name in ("request_id", "user_id", "ts")}
        assigned.append({"experiment_id": "exp-1", "variant": arm, **keys})
        if (number // 2) % (3 if arm == "A" else 2) == 0:
            done.append(outcome(number, user_id=f"u{user}"))
    done.append(outcome(1, event_type="conversion", value=12.5))
    paths = (write("exposures.jsonl", *shown), write("outcomes.jsonl", *done), write("assignments.jsonl", *assigned))
    return ["--exposures", paths[0], "--outcomes", paths[1], "--assignments", paths[2]], assigned


def test_the_json_holds_the_experiment(recsys_eval, trial_logs):
    """Units, exposures, clicks and ctr by arm are those of a plain count, the difference is B − A, and status 0."""
    options, assigned = trial_logs
    done = recsys_eval("join", *options, "--format", "json")
    assert (done.status, done.err) == (0, "")
    found = json.loads(done.out)
    [trial] = found["experiments"]
    users = Counter({row["user_id"]: row["variant"] for row in assigned}.values())
    assert {arm["variant"]: arm["units"] for arm in trial["arms"]} == dict(users)
    ctr = {arm["variant"]: arm["estimates"]["ctr"]["value"] for arm in trial["arms"]}
    assert ctr == pytest.approx({"A": 40 / 120, "B": 60 / 120})
    [effect] = [each for each in trial["effects"] if each["metric"] == "ctr"]
    assert (effect["label"], effect["bounds"]) == ("B − A", None)
    assert effect["estimate"]["value"] == pytest.approx(20 / 120)
    assert effect["estimate"]["low"] < 20 / 120 < effect["estimate"]["high"]
    [value] = [arm["value"] for arm in trial["arms"] if arm["variant"] == "B"]
    assert value == 12.5
    whole = {figure["metric"]: figure["estimate"]["value"] for figure in found["figures"]}
    assert whole == pytest.approx({"ctr": 100 / 240, "conversion_rate": 1 / 240, "revenue_per_exposure": 12.5 / 240})


def test_the_text_tells_who_counts(recsys_eval, trial_logs, outcome, write):
    """The same on the terminal, with bounds for what did not join; a hostile arm's name is shown, and not obeyed."""
    options, assigned = trial_logs
    with options[3].open("a") as log:
        log.write("".join(json.dumps(outcome(n)) + "\n" for n in range(900, 905)))
    with options[5].open("a") as log:
        log.write(json.dumps({**assigned[0], "experiment_id": "x\u202e", "variant": "\u202e"}) + "\n")
    done = recsys_eval("join", *options, "--experiment-id", "exp-1", "--control", "B", "--arm", "A", "--arm", "B=1")
    assert done.status == 0, done.err
    lines = [line.split() for line in done.out.splitlines()]
    assert "Experiment exp-1: who counts" in done.out
    assert "5 outcomes did not join: 5 orphan; all of them are credited to one arm, then to the other" in done.out
    assert "units per arm against declared weights: p = 1 (exact binomial)" in done.out
    [row] = [words for words in lines if words[:4] == ["ctr", "A", "−", "B"]]
    assert row[4] == f"{-20 / 120:.4f}"
    assert f"{-25 / 120:.4f} to {-15 / 120:.4f}" in done.out
    assert row[-2:] == ["none", "can"]
    assert "The log as a whole" in done.out
    every = recsys_eval("join", *options)
    assert "\u202e" not in every.out + every.err
    assert r"experiment x\u202e: all units are in arm \u202e" in every.err


def test_without_assignments_there_are_bounds_of_the_log_only(recsys_eval, trial_logs):
    """No assignment log: the figures of the whole log, and no experiment."""
    options, _ = trial_logs
    found = json.loads(recsys_eval("join", *options[:4], "--format", "json").out)
    assert found["experiments"] == []
    assert [figure["metric"] for figure in found["figures"]] == ["ctr", "conversion_rate", "revenue_per_exposure"]


def test_what_cannot_be_relied_on_is_a_hold(recsys_eval, trial_logs, write):
    """Units in two arms, a missing arm, and an assignment log without a valid row: status 2, with the reason."""
    options, assigned = trial_logs
    with options[5].open("a") as log:
        for row in assigned[:2]:
            log.write(json.dumps({**row, "variant": "AB"[row["variant"] == "A"], "ts": "2026-02-06T00:00:00Z"}) + "\n")
    done = recsys_eval("join", *options)
    assert done.status == 2
    assert "hold: experiment exp-1: 2 of 120 units (1.67%) were assigned to two arms" in done.err
    done = recsys_eval("join", *options[:5], write("few.jsonl", *assigned[::2]))
    assert done.status == 2
    assert "hold: experiment exp-1: all units are in arm A" in done.err
    done = recsys_eval("join", *options[:5], write("none.jsonl", "{"), "--format", "json")
    assert (done.status, json.loads(done.out)["experiments"]) == (2, [])
    assert "hold: there is no valid assignment: all 1 rows of the log are invalid" in done.err
    done = recsys_eval("join", *options[:5], write("b.jsonl", *assigned[:120:2], *assigned[1:30:2]))
    assert done.status == 2
    assert "hold: experiment exp-1: the arms do not have the units that they should: A 60, B 15" in done.err


def test_as_of_and_scope(recsys_eval, trial_logs, write):
    """As of an instant before their windows close no list counts; under scope user unassigned lists do."""
    options, assigned = trial_logs
    some = write("some.jsonl", *assigned[:120])
    for words, count, left in (
        (["--scope", "user"], 240, None),
        ([], 120, "unassigned"),
        (["--scope", "user", "--as-of", "2026-02-05t13:30:00+02:30", "--click-window", "1h"], 240, None),
        (["--scope", "user", "--as-of", "2026-02-05T10:59:59.999999Z", "--click-window", "1h"], 0, "too_recent"),
    ):
        done = recsys_eval("join", *options[:5], some, *words, "--format", "json")
        [trial] = json.loads(done.out)["experiments"]
        counts = trial["exposures"]
        assert counts.pop("counts") == count, words
        assert {name for name, n in counts.items() if n} == ({left} if left else set())
    assert (trial["as_of"], trial["window_s"]) == ("2026-02-05T10:59:59.999999Z", 3600.0)


def test_usage_errors(in_turn, trial_logs, tmp_path):
    """An option about an experiment without one, a name that is not there, a value that is none: status 1, one line, no
    output."""
    options, _ = trial_logs
    table = tmp_path / "joined.parquet"
    cases = {
        (*options[:4], "--control", "A"): "--control is about an experiment, and there is no assignment log",
        (*options, "--experiment-id", "exp1", "--output", table): "no such experiment (found exp1). Did you mean",
        (*options, "--control", "C"): "--control: no such arm in experiment exp-1 (found C). Known: A, B.",
        (*options, "--as-of", "2026-02-05"): "--as-of: not an instant (found '2026-02-05'; expected such as",
        (*options, "--arm", "A"): "Name it with --experiment-id",
        (*options, "--experiment-id", "exp-1", "--arm", "A=0"): "--arm: not an arm with its weight (found 'A=0'",
        (*options, "--experiment-id", "exp-1", "--arm", "A", "--arm", "A=2"): "the arm is named twice",
        (*options, "--scope", "users"): "'request', 'user'",
    }
    for done, told in zip(in_turn(*[["join", *words] for words in cases]), cases.values(), strict=True):
        assert (done.status, done.out) == (1, ""), told
        assert len(done.err.splitlines()) == 1, done.err
        assert told in done.err
    assert not table.exists()
