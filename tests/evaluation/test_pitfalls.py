"""Faults seen in systems of this kind, one test each, by their names: decisions that fail open, and statistics."""

from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

import ab_logs
import offline_worlds
from ab_logs import Logs, World
from decision_evidence import evidence, guardrail, measured
from recsys.attribution import sources
from recsys.attribution.engine.choice import EngineChoice
from recsys.errors import ConfigError, UsageError
from recsys.evaluation import config
from recsys.evaluation.config import EvaluationConfig
from recsys.evaluation.decision import decide
from recsys.evaluation.experiment import read_settings
from recsys.evaluation.experiment.run import evaluate
from recsys.evaluation.offline_config import Gate
from recsys.statistics.bootstrap import quantile_difference
from recsys.statistics.histogram import histogram
from recsys.statistics.multiplicity import adjust

NOW = datetime(2026, 2, 1, tzinfo=UTC)
BETTER = World(users=600).but(A={"click": 0.4}, B={"click": 2.0})
SETTINGS = {
    "control_variant": "A", "candidate_variant": "B",
    "guardrails": [{"metric": "error_rate", "margin": 0.25}, {"metric": "latency_p95", "margin": "90%"}],
}  # fmt: skip


def run(folder, logs, shuffle=None, engine=None, **settings):
    options = ab_logs.write(logs, folder, shuffle)
    chosen = EvaluationConfig(
        mode="experiment", slice_keys=["surface"],
        experiment=read_settings.read({**SETTINGS, **settings}, "experiment"),
    )  # fmt: skip
    dataset = sources.from_options(options["exposures"], options["outcomes"], options["assignments"], None, None)
    return evaluate(dataset, chosen, now=NOW, engine=engine or EngineChoice()).report


def decision(report):
    return report.experiment.candidates[0].decision


@pytest.fixture(scope="module")
def better():
    return ab_logs.logs(BETTER)


def test_the_world_of_these_tests_ships(tmp_path, better):
    """What follows is not a hold for another reason."""
    assert run(tmp_path, better).summary.status == "ship"


# --- Decisions that fail open ---


def test_empty_data_ships(tmp_path, better):
    """No list, no outcome, no assignment, or nothing at all: a hold."""
    for place, logs in enumerate((
        Logs([], better.outcomes, better.assignments), Logs(better.exposures, [], better.assignments),
        Logs(better.exposures, better.outcomes, []), Logs([], [], []),
    )):  # fmt: skip
        assert run(tmp_path / str(place), logs).summary.status == "hold"


def test_a_misspelt_experiment_ships(tmp_path, better):
    """It is an error that names the nearest."""
    with pytest.raises(UsageError, match="Did you mean 'exp-1'"):
        run(tmp_path, better, experiment_id="exp_1")


def test_a_misspelt_metric_ships(tmp_path, better):
    """Primary, secondary or guardrail: an error that names the nearest."""
    for settings in (
        {"primary_metrics": ["clicks_per_usr"]}, {"secondary_metrics": ["clicks_per_usr"]},
        {"guardrails": [{"metric": "clicks_per_usr", "margin": 1}]},
    ):  # fmt: skip
        with pytest.raises(ConfigError, match="Did you mean 'clicks_per_user'"):
            run(tmp_path, better, **settings)


def test_a_misspelt_variant_ships(tmp_path, better):
    """Of the control or of a candidate: an error, and no hold that looks like missing data."""
    for settings in ({"control_variant": "a"}, {"candidate_variant": "B "}):
        with pytest.raises(UsageError, match="no such variant"):
            run(tmp_path, better, **settings)


def test_control_chosen_by_hash_order_so_reruns_disagree(tmp_path, better):
    """Where nobody names it, it is the first in order, on every run, and the decision holds."""
    for place, shuffle in enumerate((None, 1, 2)):
        found = run(tmp_path / str(place), better, shuffle, control_variant=None, candidate_variant=None)
        assert (decision(found).control, found.summary.status) == ("A", "hold")


def test_an_absent_arm_passes_the_sample_ratio_check(tmp_path, better):
    """A declared arm without a unit holds by its name, however well the others are divided."""
    found = run(tmp_path, better, srm={"expected": {"A": 1, "B": 1, "C": 1}})
    assert found.summary.status == "hold"
    assert any("arm C is declared, and no unit is in it" in reason for reason in found.summary.reasons)


def test_one_row_of_an_unexpected_arm_makes_p_1(tmp_path, better):
    """An arm that nobody declared holds by its name, be it of one row."""
    stray = {**better.assignments[0], "user_id": "e" * 64, "request_id": "r-stray", "variant": "Z"}
    found = run(tmp_path, Logs(better.exposures, better.outcomes, [*better.assignments, stray]))
    assert found.summary.status == "hold"
    assert any("arm Z is not declared" in reason for reason in found.summary.reasons)


def test_guardrails_on_latency_always_pass_because_nobody_logs_latency(tmp_path, better):
    """Without latencies the guardrail is open, and nothing ships."""
    silent = [{key: value for key, value in row.items() if key != "latency_ms"} for row in better.exposures]
    found = run(tmp_path, Logs(silent, better.outcomes, better.assignments))
    assert found.summary.status == "hold"
    assert any("do not say how long they took" in reason for reason in found.summary.reasons)


def test_guardrails_on_errors_always_pass_because_nobody_logs_errors(tmp_path, better):
    """Where no list says whether it was an error, the guardrail is open, and nothing ships."""
    silent = [{key: value for key, value in row.items() if key != "error"} for row in better.exposures]
    found = run(tmp_path, Logs(silent, better.outcomes, better.assignments))
    assert found.summary.status == "hold"
    assert any("do not say whether they were an error" in reason for reason in found.summary.reasons)


def test_limit_0_read_as_off(tmp_path, better):
    """The first case fails."""
    one = [{**row, "error": True} if place == 5 else row for place, row in enumerate(better.exposures)]
    arm = next(row["variant"] for row in better.assignments if row["request_id"] == better.exposures[5]["request_id"])
    logs = Logs(one, better.outcomes, better.assignments)
    other = {"A": "B", "B": "A"}[arm]
    found = run(tmp_path, logs, control_variant=other, candidate_variant=arm, guardrails={"max_error_rate": 0})
    (rail,) = decision(found).guardrails
    assert (rail.cases, rail.status) == (1, "fail")
    assert decide(evidence(guardrails=[guardrail(margin=None, limit=0.0, cases=1)])).decision == "rollback"


def test_gates_without_a_baseline_pass_silently(tmp_path):
    """They are an error that says what to give."""
    with pytest.raises(UsageError, match="--baseline"):
        offline_worlds.report(tmp_path, offline_worlds.made(200), gates=[Gate(metric="hitrate@10", max_drop=0.1)])


def test_a_gate_with_max_drop_0_fails_on_identical_data_by_a_rounding_error(tmp_path):
    """Identical data pass, exactly, in another order of rows too."""
    rows = offline_worlds.made(900)
    gates = [Gate(metric=name, max_drop=0) for name in ("hitrate@10", "mrr@10", "gini", "novelty@10")]
    before = offline_worlds.report(tmp_path / "before", rows)
    found = offline_worlds.report(tmp_path / "after", rows[::-1], baseline=before, gates=gates)
    assert [gate.status for gate in found.gates] == ["pass"] * len(gates)


# --- Statistics ---


def test_request_level_tests_on_user_randomised_data():
    """Users differ, so their rows are alike: the interval is that of users as units, and wider than that of rows."""
    rng = np.random.default_rng(3)
    from recsys.statistics.comparison import compare
    from unit_moments import moments

    n = rng.integers(1, 60, 400)
    clicks = rng.binomial(n, rng.beta(0.5, 2, 400))
    found = compare(moments(clicks[:200], n[:200]), moments(clicks[200:], n[200:]), scale=1)
    p = clicks.sum() / n.sum()
    by_rows = (p * (1 - p) * (1 / n[:200].sum() + 1 / n[200:].sum())) ** 0.5
    assert found.se > 3 * by_rows


def test_clicks_counted_as_bernoulli_though_a_request_can_have_two(tmp_path, better):
    """Every attributed click counts: a rate of clicks per list may exceed 1."""
    twice = [{**row, "ts": row["ts"].replace("Z", "1Z")} for row in better.outcomes if row["event_type"] == "click"]
    both = run(tmp_path / "both", Logs(better.exposures, [*better.outcomes, *twice], better.assignments))
    once = run(tmp_path / "once", better)
    assert decision(both).metrics[0].candidate.value == pytest.approx(2 * decision(once).metrics[0].candidate.value)


def test_p_0_dropped_from_the_report_as_empty():
    """A p-value of 0 is the strongest there is: it stays, counts in its family, and is written."""
    found = adjust({"a": 0.0, "b": 0.5, "c": None}, "holm")
    assert found == {"a": 0.0, "b": 0.5, "c": None}
    kept = measured(effect=replace(measured().effect, p=0.0), adjusted_p=0.0)
    written = msgspec.json.decode(msgspec.json.encode(kept))
    assert (written["effect"]["p"], written["adjusted_p"]) == (0.0, 0.0)


def test_bonferroni_over_duplicated_rows(tmp_path, better):
    """A family counts each question once: a metric named twice is refused, and slices are a family of their own."""
    with pytest.raises(ConfigError, match="named twice"):
        run(tmp_path, better, secondary_metrics=["ctr|x", "mrr@5", "mrr@5"][1:])
    found = run(tmp_path, better, secondary_metrics=["mrr@5", "conversion_rate"])
    families = {each.family: each.tests for each in found.experiment.families}
    assert families["secondary metrics"] == 2
    assert families["slices of primary metrics"] == 2


def test_cuped_shown_but_not_used(tmp_path, better):
    """Where it is enabled, the adjusted estimate decides: the reasons tell its interval."""
    settings = {"cuped": {"enabled": True, "covariate_key": "loyalty"}}
    found = decision(run(tmp_path, better, **settings))
    (ctr,) = found.metrics
    assert ctr.effect.value != ctr.unadjusted.value
    assert f"{ctr.effect.low:+.4g} to {ctr.effect.high:+.4g}" in found.reasons[0]
    assert any(word.startswith("CUPED") for word in ctr.effect.corrections)


@pytest.mark.parametrize(
    ("mode", "faults"),
    [("ope", "doubly robust that is not; slate weight as the mean of item ratios"),
     ("interleaving", "interleaving re-drawn at analysis time and credited with clicks on another list")],
)  # fmt: skip
def test_faults_of_modes_that_are_not_there(mode, faults):
    """They cannot happen: the mode is refused by name."""
    with pytest.raises(ConfigError, match="not available in this version"):
        config.mode(mode, "mode")


def test_the_last_outcome_of_an_item_erasing_the_click_before_it(tmp_path, better):
    """A conversion of an item that was clicked leaves the click."""
    clicks = sum(row["event_type"] == "click" for row in better.outcomes)
    bought = {(row["request_id"], row["item_id"]) for row in better.outcomes if row["event_type"] == "conversion"}
    assert bought
    assert sum(arm.clicks for arm in run(tmp_path, better).experiment.trial.arms) == clicks


def test_seeded_bootstraps_that_differ_from_run_to_run(tmp_path, better):
    """The same seed gives the same interval of a quantile, whatever the order of rows and the number of threads."""
    found = [
        decision(run(tmp_path / str(place), better, shuffle, EngineChoice(threads=threads))).guardrails[1]
        for place, (shuffle, threads) in enumerate(((None, None), (7, 1), (8, 2)))
    ]
    assert found[0] == found[1] == found[2]
    rng = np.random.default_rng(1)
    cells = [(int(b), int(i), 1) for b, i in zip(rng.integers(0, 64, 500), rng.integers(100, 200, 500), strict=True)]
    one, other = (histogram(rows, 64) for rows in (cells, cells[::-1]))
    assert quantile_difference(one, one, 0.9, seed=3).se == quantile_difference(other, other, 0.9, seed=3).se
