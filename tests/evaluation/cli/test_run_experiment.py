"""recsys-eval run of an experiment: what stdout and stderr hold, and the exit status."""

import pytest

KEYS = ("request_id", "user_id", "ts")
DECLARED = """\
mode: experiment
experiment: {control_variant: A, candidate_variant: B}
"""


@pytest.fixture
def trial_logs(exposure, outcome, write):
    """Logs of two arms, 20 users each with two lists; every third list has a click: options."""
    shown = [exposure(number, user_id=f"u{number % 40}") for number in range(80)]
    done = [outcome(number, user_id=f"u{number % 40}") for number in range(0, 80, 3)]
    assigned = [
        {"experiment_id": "exp-1", "variant": "AB"[number % 2], **{key: row[key] for key in KEYS}}
        for number, row in enumerate(shown)
    ]
    paths = write("exposures.jsonl", *shown), write("outcomes.jsonl", *done), write("assignments.jsonl", *assigned)
    return ["--exposures", paths[0], "--outcomes", paths[1], "--assignments", paths[2]]


def test_the_decision_and_its_reasons_are_on_stdout(recsys_eval, trial_logs, write, tmp_path):
    """Beside a report: the verdict and a line for each reason; stderr holds notes only; status 2 for a hold."""
    settings = write("experiment.yaml", DECLARED)
    done = recsys_eval("run", "--config", settings, *trial_logs, "--output", tmp_path / "report.json")
    assert done.status == 2
    verdict, *reasons = done.out.splitlines()
    assert verdict == "HOLD B against A in exp-1"
    assert all(reason.startswith("  ") for reason in reasons)
    assert any("of 100 needed" in reason for reason in reasons)
    assert all(line.startswith("recsys-eval: note: ") for line in done.err.splitlines())


def test_an_aa_check_says_why_it_holds(recsys_eval, trial_logs, tmp_path):
    """Too few users: each metric with what is lacking, on stdout, and status 2."""
    done = recsys_eval("run", "--mode", "aa-check", *trial_logs, "--output", tmp_path / "report.md")
    assert done.status == 2
    assert done.out.startswith("HOLD: 0 of 5 metrics hold their error rate")
    assert "  ctr cannot be checked: " in done.out
    assert done.err == ""


def test_the_reasons_of_an_offline_run_stay_on_stderr(recsys_eval, exposure, write, tmp_path):
    """stdout is one line; the reason to hold stands on stderr."""
    logs = "--exposures", write("e.jsonl", exposure(1)), "--outcomes", write("o.jsonl")
    done = recsys_eval("run", *logs, "--output", tmp_path / "report.json")
    assert done.status == 2
    assert done.out.startswith("hold: ")
    assert done.out.count("\n") == 1
    assert "recsys-eval: hold: " in done.err
