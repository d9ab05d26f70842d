"""``run --mode experiment`` in process: from logs with a known truth to a decision, whatever their order and cut."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

import ab_logs
from ab_logs import START, Arm, World
from recsys.attribution import sources
from recsys.attribution.engine.choice import EngineChoice
from recsys.attribution.policies import read as read_policy
from recsys.errors import UsageError
from recsys.evaluation import replay
from recsys.evaluation.config import EvaluationConfig
from recsys.evaluation.experiment import read_settings
from recsys.evaluation.experiment.run import evaluate

NOW = datetime(2026, 2, 1, tzinfo=UTC)
BETTER = World().but(B={"click": 0.7})
DECLARED = {"control_variant": "A", "candidate_variant": "B"}
LENIENT = {"guardrails": [{"metric": "error_rate", "margin": 0.05}, {"metric": "latency_p95", "margin": "50%"}]}


def run(folder, logs, settings=None, now=NOW, shuffle=None, parts=1, engine=None, attribution=None, slice_keys=None):
    """The report; ``settings``: the section of the YAML."""
    options = ab_logs.write(logs, folder, shuffle, parts)
    config = EvaluationConfig(
        mode="experiment", experiment=read_settings.read({**DECLARED, **LENIENT, **(settings or {})}, "experiment"),
        attribution=read_policy(attribution or {}, "attribution"),
        slice_keys=slice_keys or ["surface", "device"],
    )  # fmt: skip
    dataset = sources.from_options(options["exposures"], options["outcomes"], options["assignments"], None, None)
    return evaluate(dataset, config, now=now, engine=engine or EngineChoice()).report


@pytest.fixture(scope="module")
def better():
    return ab_logs.logs(BETTER)


@pytest.fixture(scope="module")
def report(better, tmp_path_factory):
    return run(tmp_path_factory.mktemp("better"), better)


def only(report):
    (candidate,) = report.experiment.candidates
    return candidate


def test_a_variant_that_is_better_ships(report):
    """Clicks more than doubled: ship, by name, with an interval that holds the truth."""
    decision = only(report).decision
    assert (report.summary.status, decision.decision) == ("ship", "ship"), decision.reasons
    (ctr,) = decision.metrics
    assert ctr.effect.low < 0.4 < ctr.effect.high
    assert "confidence sequence" in ctr.effect.method
    assert any("users as units" in word for word in ctr.effect.corrections)


def test_the_figures_are_those_of_the_rows(report, better):
    """Levels of both arms, counted in plain Python."""
    arm_of = {row["request_id"]: row["variant"] for row in better.assignments}
    lists, clicks = {"A": 0, "B": 0}, {"A": 0, "B": 0}
    for row in better.exposures:
        lists[arm_of[row["request_id"]]] += 1
    for row in better.outcomes:
        clicks[arm_of[row["request_id"]]] += row["event_type"] == "click"
    (ctr,) = only(report).decision.metrics
    for level, arm in ((ctr.control, "A"), (ctr.candidate, "B")):
        assert (level.n, level.value) == (lists[arm], pytest.approx(clicks[arm] / lists[arm], rel=1e-12))


def comparable(report):
    """All but what may differ: the run, the time, the list of inputs and its hash."""
    text = msgspec.json.encode(msgspec.structs.replace(report, run_id="", inputs=[]))
    document = msgspec.json.decode(text)
    for candidate in document["experiment"]["candidates"]:
        candidate["decision"].pop("inputs_sha256")
    return document


@pytest.mark.parametrize(
    ("shuffle", "parts", "threads"), [(3, 1, None), (None, 7, None), (None, 1, 1), (5, 3, 2)], ids=str
)
def test_same_input_in_another_order_cut_or_thread_count(report, better, tmp_path, shuffle, parts, threads):
    """Identical results, decision and findings."""
    again = run(tmp_path, better, shuffle=shuffle, parts=parts, engine=EngineChoice(threads=threads))
    assert comparable(again) == comparable(report)


def test_the_decision_of_the_report_can_be_computed_again(report, tmp_path):
    """From the JSON of the report alone."""
    path = tmp_path / "report.json"
    path.write_bytes(msgspec.json.encode(report))
    (recorded,) = replay.read(path)
    assert replay.replayed(recorded) == (only(report).decision, "")


def test_a_variant_that_is_worse_rolls_back(tmp_path):
    """Clicks halved: rollback."""
    found = run(tmp_path, ab_logs.logs(World().but(A={"click": 0.7}, B={"click": 0.3})))
    assert found.summary.status == "rollback"
    assert "worse beyond chance" in found.summary.reasons[0]


def test_a_variant_that_is_equal_holds(tmp_path):
    """No difference: hold, and the sample that the declared effect needs."""
    found = run(tmp_path, ab_logs.logs(World(users=800)), {"power": {"effect": 0.01}})
    assert found.summary.status == "hold"
    assert "more than the 800 that there are" in found.summary.reasons[-1]


def test_broken_logging_holds(tmp_path):
    """An arm that loses a tenth of its outcomes looks like nothing else: hold, and the reason names the arms."""
    found = run(tmp_path, ab_logs.logs(BETTER.but(B={"lost": 0.06})))
    decision = only(found).decision
    assert decision.decision == "hold"
    assert any("lose them differently" in reason for reason in decision.reasons)


def test_a_crash_is_suspected_behind_a_sample_ratio_mismatch(tmp_path):
    """Lists of an arm that fail and whose log is lost: hold for the arms' sizes, and the errors are named."""
    logs = ab_logs.logs(BETTER.but(B={"error": 0.6}))
    gone = {row["user_id"] for row in logs.exposures if row["error"] and int(row["user_id"][:2], 16) < 200}
    kept = ab_logs.Logs(*([row for row in rows if row["user_id"] not in gone]
                          for rows in (logs.exposures, logs.outcomes, logs.assignments)))  # fmt: skip
    decision = only(run(tmp_path, kept)).decision
    assert (decision.decision, decision.harm_suspected) == ("hold", True)
    assert any("units by arm" in reason for reason in decision.reasons)


def test_arms_not_declared(tmp_path, better):
    """Nothing said of the arms: the figures are there, and the decision is a hold that says what to declare."""
    found = run(tmp_path, better, {"control_variant": None, "candidate_variant": None})
    decision = only(found).decision
    assert (decision.control, decision.decision) == ("A", "hold")
    assert any("arms not declared" in reason for reason in decision.reasons)
    assert any("give control_variant" in reason for reason in decision.reasons)
    assert decision.metrics[0].effect.value > 0.3


def test_an_absent_arm_holds_and_a_misspelt_one_is_an_error(tmp_path, better):
    """Declared and not there: hold. Neither declared nor there: an error that names the nearest."""
    expected = {"srm": {"expected": {"A": 1, "B": 1, "C": 1}}, "candidate_variant": ["B", "C"]}
    found = run(tmp_path / "absent", better, expected)
    assert found.summary.status == "hold"
    assert any("arm C is declared, and no unit is in it" in reason for reason in found.summary.reasons)
    with pytest.raises(UsageError, match="no such variant"):
        run(tmp_path / "misspelt", better, {"candidate_variant": "b2"})
    with pytest.raises(UsageError, match="Did you mean 'exp-1'"):
        run(tmp_path / "experiment", better, {"experiment_id": "exp1"})


def test_one_row_of_an_unexpected_arm(tmp_path, better):
    """An arm that was not declared holds, be it of one unit."""
    row = {**better.assignments[0], "user_id": "f" * 64, "request_id": "r-x", "variant": "Z"}
    found = run(tmp_path, ab_logs.Logs(better.exposures, better.outcomes, [*better.assignments, row]))
    assert found.summary.status == "hold"
    assert any("arm Z is not declared, and units are in it" in reason for reason in found.summary.reasons)


@pytest.mark.parametrize("empty", ["exposures", "outcomes", "assignments"])
def test_empty_data_never_ship(tmp_path, better, empty):
    """A log without a row holds."""
    rows = {role: getattr(better, role) for role in ("exposures", "outcomes", "assignments")}
    found = run(tmp_path, ab_logs.Logs(**{**rows, empty: []}))
    assert found.summary.status == "hold"
    assert found.summary.reasons


def test_before_and_after_a_horizon(tmp_path, better):
    """Before it nothing ships; from it on one interval is made, of the data as they stood then."""
    end = START + timedelta(days=10)
    before = run(tmp_path / "before", better, {"sequential": {"horizon": "2026-03-01T00:00:00Z"}})
    assert (before.summary.status, only(before).decision.rule.may_ship) == ("hold", False)
    assert "nothing ships before it" in before.summary.reasons[0]
    after = run(tmp_path / "after", better, {"sequential": {"horizon": ab_logs.stamp(end)}})
    decision = only(after).decision
    assert (after.summary.status, decision.rule.sequence) == ("ship", False)
    until = [row for row in better.exposures if row["ts"] <= ab_logs.stamp(end)]
    assert sum(level.n for level in (decision.metrics[0].control, decision.metrics[0].candidate)) == len(until)
    assert decision.metrics[0].effect.method.startswith("Student's t")


def test_a_row_of_the_future_does_not_bring_the_horizon_nearer(tmp_path, better):
    """The horizon has passed by the clock, not by one wrong line."""
    wrong = {**better.exposures[0], "request_id": "r-future", "ts": "2027-01-01T00:00:00Z"}
    logs = ab_logs.Logs([*better.exposures, wrong], better.outcomes, better.assignments)
    found = run(tmp_path, logs, {"sequential": {"horizon": "2026-03-01T00:00:00Z"}})
    assert not only(found).decision.rule.may_ship


def test_cuped_decides_and_the_unadjusted_estimate_stands_beside_it(tmp_path):
    """By the metric's own past, and by a covariate of the assignment: less variance, the same truth."""
    logs = ab_logs.logs(BETTER.but(history=True, users=1_500))
    settings = {"cuped": {"enabled": True}}
    own = only(run(tmp_path / "own", logs, settings)).decision.metrics[0]
    assert own.cuped.used
    assert 0.02 < own.cuped.reduction < 0.9
    assert own.effect.high - own.effect.low < own.unadjusted.high - own.unadjusted.low
    assert "CUPED on ctr before the first assignment" in own.effect.corrections
    keyed = only(
        run(tmp_path / "key", logs, {"cuped": {"enabled": True, "covariate_key": "loyalty"}})
    ).decision.metrics[0]
    assert keyed.cuped.reduction > own.cuped.reduction
    assert not any(keyed.cuped.missing.values())


def test_several_candidates_share_the_error(tmp_path):
    """Each interval has a part of the error, and each candidate its own decision."""
    logs = ab_logs.logs(World({"A": Arm(click=0.6), "B": Arm(click=1.2), "C": Arm(click=0.15)}, users=2_500))
    found = run(tmp_path, logs, {"candidate_variant": ["B", "C"]})
    assert [each.decision.decision for each in found.experiment.candidates] == ["ship", "rollback"]
    assert {each.decision.metrics[0].effect.level for each in found.experiment.candidates} == {0.975}
    assert found.summary.status == "rollback"


def test_every_kind_of_metric(tmp_path, better):
    """Ratios, per-user figures, scores of lists, quantiles and spreads, each as primary, secondary or guardrail."""
    settings = {
        "primary_metrics": ["ndcg@5"],
        "secondary_metrics": ["revenue_per_user", "mrr@5|responded", "latency_p50", "coverage@5", "gini", "novelty@5"],
        "guardrails": [{"metric": "clicks_per_user", "margin": 1}, {"metric": "empty_rate", "limit": 0.2},
                       {"metric": "latency_p99", "margin": "80%"}],
    }  # fmt: skip
    candidate = only(run(tmp_path, better, settings))
    assert [each.metric for each in candidate.secondary] == settings["secondary_metrics"]
    for each in [*candidate.decision.metrics, *candidate.secondary]:
        assert each.effect.value is not None, each
    assert [rail.status for rail in candidate.decision.guardrails] == ["pass", "pass", "pass"]
    assert all(0 <= each.adjusted_p <= 1 for each in candidate.secondary if each.effect.p is not None)


def test_slices_and_interactions(report):
    """Each surface and device has its effect, corrected for their number; devices do not differ."""
    candidate = only(report)
    assert {(each.key, each.value) for each in candidate.slices} == {
        ("surface", "home"), ("surface", "item_page"), ("device", "web"), ("device", "app"),
    }  # fmt: skip
    assert all(each.adjusted_p >= each.effect.p for each in candidate.slices)
    assert {each.key for each in candidate.interactions} == {"surface", "device"}
    assert all(each.p is not None for each in candidate.interactions)


def test_days_are_those_of_the_rows(report, better):
    """Each UTC day on which both arms have enough users has its own effect: lists and clicks, counted in plain Python.
    A click is of the day of its list; days are no slice."""
    arm_of = {row["request_id"]: row["variant"] for row in better.assignments}
    day_of = {row["request_id"]: row["ts"][:10] for row in better.exposures}
    shown, clicks, users = Counter(), Counter(), defaultdict(set)
    for row in better.exposures:
        shown[row["ts"][:10], arm_of[row["request_id"]]] += 1
        users[row["ts"][:10], arm_of[row["request_id"]]].add(row["user_id"])
    for row in better.outcomes:
        clicks[day_of[row["request_id"]], arm_of[row["request_id"]]] += row["event_type"] == "click"
    candidate = only(report)
    assert [each.day for each in candidate.days] == sorted(
        day for day in {day for day, _ in shown} if min(len(users[day, arm]) for arm in "AB") >= 100
    )
    assert len(candidate.days) > 3
    for each in candidate.days:
        for level, arm in ((each.control, "A"), (each.candidate, "B")):
            assert (level.n, level.units) == (shown[each.day, arm], len(users[each.day, arm]))
            assert level.value == pytest.approx(clicks[each.day, arm] / shown[each.day, arm], rel=1e-12)
    assert "day" not in {each.key for each in [*candidate.slices, *candidate.interactions]}


def test_no_decision_where_none_is_asked_for(tmp_path, better):
    """The figures, and a document that says so."""
    found = run(tmp_path, better, {"decision": {"enabled": False}})
    assert found.summary.status == "pass"
    assert "no decision was asked for" in only(found).decision.reasons[0]


def test_lists_that_are_missing_where_nobody_answered(tmp_path):
    """Of an arm that is equal, lists without a click are lost: its rate looks better, and the decision holds."""
    logs = ab_logs.logs(World(users=1_200))
    answered = {row["request_id"] for row in logs.outcomes}
    arm_of = {row["request_id"]: row["variant"] for row in logs.assignments}
    kept = [
        row for place, row in enumerate(logs.exposures)
        if row["request_id"] in answered or arm_of[row["request_id"]] == "A" or place % 5 > 1
    ]  # fmt: skip
    decision = only(run(tmp_path, ab_logs.Logs(kept, logs.outcomes, logs.assignments))).decision
    assert decision.decision == "hold"
    assert any("requests that were assigned to B have no exposure" in reason for reason in decision.reasons)
    assert any("assigned requests have an exposure (p =" in reason for reason in decision.reasons)


def test_lost_outcomes_of_which_no_arm_is_known(tmp_path):
    """Outcomes that match nothing and name no arm: whether the arms lose them alike is not known, so it holds."""
    logs = ab_logs.logs(BETTER.but(A={"lost": 0.09}))
    silent = [{**row, "context": {"tenant_id": "demo"}} for row in logs.outcomes]
    decision = only(run(tmp_path, ab_logs.Logs(logs.exposures, silent, logs.assignments))).decision
    assert decision.decision == "hold"
    assert any("name no arm" in reason for reason in decision.reasons)


def test_an_as_of_of_the_future_does_not_end_the_experiment(tmp_path, better):
    """The horizon has passed by the clock alone."""
    later = "2026-03-01T00:00:00Z"
    found = run(tmp_path, better, {"as_of": later, "sequential": {"horizon": later}}, now=START + timedelta(days=10))
    assert not only(found).decision.rule.may_ship


def test_errors_and_latencies_that_one_arm_does_not_log(tmp_path, better):
    """Lists of one arm that say nothing of their latency or error may be those that were slow or failed."""
    arm_of = {row["request_id"]: row["variant"] for row in better.assignments}
    for place, key in enumerate(("error", "latency_ms")):
        silent = [
            {name: value for name, value in row.items() if name != key or arm_of[row["request_id"]] == "A" or n % 5}
            for n, row in enumerate(better.exposures)
        ]
        settings = {"guardrails": [{"metric": "error_rate", "margin": 0.05}, {"max_error_rate": 0},
                                   {"metric": "latency_p95", "margin": "50%"}]}  # fmt: skip
        logs = ab_logs.Logs(silent, better.outcomes, better.assignments)
        rails = only(run(tmp_path / key, logs, settings)).decision.guardrails
        expected = ["inconclusive", "inconclusive", "pass"] if place == 0 else ["pass", "pass", "inconclusive"]
        assert [rail.status for rail in rails] == expected


def test_a_covariate_that_depends_on_the_arm(tmp_path):
    """It is no covariate: an adjustment for it would make an effect, so the decision holds."""
    logs = ab_logs.logs(World(users=1_000))
    halved = [
        {**row, "context": {**row["context"], "loyalty": str(float(row["context"]["loyalty"]) / 2)}}
        if row["variant"] == "B" else row
        for row in logs.assignments
    ]  # fmt: skip
    settings = {"cuped": {"enabled": True, "covariate_key": "loyalty"}}
    decision = only(run(tmp_path, ab_logs.Logs(logs.exposures, logs.outcomes, halved), settings)).decision
    assert decision.decision == "hold"
    assert any("the covariate of ctr" in reason for reason in decision.reasons)


def test_two_arms_in_a_small_arm(tmp_path):
    """Of the units of a small arm a third were in two arms: a hold, though of all units they are few."""
    logs = ab_logs.logs(World({"A": Arm(weight=30), "B": Arm(click=2.0)}, users=3_000))
    own = [row for row in logs.assignments if row["variant"] == "B"]
    seen, crossed = set(), []
    for row in own:
        if row["user_id"] not in seen and len(seen) % 3 == 0:
            crossed.append(
                {**row, "variant": "A", "ts": "2026-01-30T00:00:00Z", "request_id": f"{row['request_id']}-x"}
            )
        seen.add(row["user_id"])
    found = run(
        tmp_path, ab_logs.Logs(logs.exposures, logs.outcomes, [*logs.assignments, *crossed]),
        {"srm": {"expected": {"A": 30, "B": 1}}},
    )  # fmt: skip
    assert any("units of B were assigned to two arms" in reason for reason in only(found).decision.reasons)


def test_an_absent_arm_with_every_kind_of_metric(tmp_path, better):
    """No value and a note, and no exception."""
    settings = {"srm": {"expected": {"A": 1, "C": 1}}, "candidate_variant": "C", "primary_metrics": ["coverage@5"],
                "secondary_metrics": ["ctr", "latency_p95", "gini"]}  # fmt: skip
    kept = [row for row in better.assignments if row["variant"] == "A"]
    found = run(tmp_path, ab_logs.Logs(better.exposures, better.outcomes, kept), settings)
    assert found.summary.status == "hold"
    assert only(found).decision.metrics[0].effect.value is None
