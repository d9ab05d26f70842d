"""The loop of ``make demo``, smaller: real processes, a real database, real HTTP, and a known truth."""

import json
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime

import pytest

from recsys.attribution import sources
from recsys.attribution.doctor.diagnose import diagnose
from recsys.attribution.policy import Policy
from recsys.attribution.trace.trace import Asked, trace
from recsys.contracts import snapshot as snapshots
from recsys.demo import experiment
from recsys.demo import run as demo
from recsys.demo import shop as shops
from recsys.demo.shoppers import plan, react
from recsys.demo.summary import decided
from recsys.evaluation import config, replay
from small_demo import SEED
from small_demo import SIZE as SMALL

LARGE = demo.Size(requests=2_400, items=1_000, shoppers=4_000, events=60_000, workers=2, broken=True)
ANSWERS = {}
"""Request id → the answer that the shopper got over HTTP."""


def lines(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@pytest.fixture(scope="module")
def made(small_demo):
    ANSWERS.update(small_demo.answers)
    return small_demo.demo


def test_every_request_is_one_exposure(made):
    """Each request that was sent stands in the exposure log once, under its own request id."""
    shop = shops.open_shop(SEED, items=SMALL.items, shoppers=SMALL.shoppers)
    sent = [visit.request_id for visit in plan(shop, SMALL.requests)]
    logged = [row["request_id"] for row in lines(made.out / demo.EXPOSURES)]
    assert sorted(logged) == sorted(sent)
    assert made.report.data_quality.exposures.distinct == SMALL.requests


def test_the_outcome_log_is_what_the_shoppers_did(made):
    """Replaying the model on the logged lists gives exactly the logged outcomes; all of them are attributed."""
    shop = shops.open_shop(SEED, items=SMALL.items, shoppers=SMALL.shoppers)
    visits = {visit.request_id: visit for visit in plan(shop, SMALL.requests)}
    expected = set()
    for row in lines(made.out / demo.EXPOSURES):
        shown = [shops.item_index(item["item_id"]) for item in row["items"]]
        for action in react(shop, visits[row["request_id"]], shown):
            expected.add((row["request_id"], row["user_id"], shops.item_id(action.item), action.event_type))
    seen = [
        (row["request_id"], row["user_id"], row["item_id"], row["event_type"])
        for row in lines(made.out / demo.OUTCOMES)
    ]
    assert len(seen) == len(set(seen))
    assert set(seen) == expected
    assert made.report.data_quality.fates.attributed == len(expected)


def test_rates_are_as_promised(made):
    """The match rate is 100 %; the join rate lies strictly between 0 and 100 %."""
    rates = made.report.data_quality.rates
    assert rates.match.value == 1.0
    assert rates.join.value is not None
    assert 0 < rates.join.value < 1


def test_assignments_agree_with_exposures(made):
    """Every request has one assignment line, and it names the variant in the exposure's and the outcomes' context."""
    assigned = {row["request_id"]: row["variant"] for row in lines(made.out / demo.ASSIGNMENTS)}
    exposures = lines(made.out / demo.EXPOSURES)
    assert len(assigned) == len(exposures)
    for row in exposures:
        assert row["context"]["experiment_variant"] == assigned[row["request_id"]]
    assert set(assigned.values()) == {"control", "better", "equal", "worse"}
    arms = {(row["request_id"], row["context"]["experiment_variant"]) for row in lines(made.out / demo.OUTCOMES)}
    assert arms <= set(assigned.items())


def traced(made, request_id):
    """What `trace` tells of a request, from the files that the demo left."""
    logs = [str(made.out / name) for name in (demo.EXPOSURES, demo.OUTCOMES, demo.ASSIGNMENTS)]
    path = made.out / demo.SNAPSHOT
    snapshot = str(path), snapshots.parse(path.read_bytes(), where=str(path))
    asked = Asked(request_id=request_id, policy=Policy(), snapshot=snapshot)
    return trace(sources.from_options(*([log] for log in logs)), asked, datetime.now(UTC))


def expected_events(shop, visit):
    """(item, event_type, value) of all that the shopper did with the list that came over HTTP."""
    shown = [shops.item_index(item["item_id"]) for item in ANSWERS[visit.request_id]["items"]]
    return [(shops.item_id(action.item), action.event_type, action.value) for action in react(shop, visit, shown)]


def test_a_trace_shows_the_truth(made):
    """List, variant, versions and weights are those that the shopper was answered with, and what happened to each item
    is what the simulator says: for requests with purchases, with clicks alone, and without any reaction."""
    shop = shops.open_shop(SEED, items=SMALL.items, shoppers=SMALL.shoppers)
    visits = plan(shop, SMALL.requests)
    by_reaction = {}
    for visit in visits:
        kinds = {kind for _, kind, _ in expected_events(shop, visit)}
        by_reaction.setdefault((frozenset(kinds), visit.surface), visit)
    assert len(by_reaction) >= 5
    for visit in by_reaction.values():
        found, answer = traced(made, visit.request_id), ANSWERS[visit.request_id]
        [shown] = found.lists
        assert (found.status, shown.standing) == ("found", "counts")
        assert [(item.rank, item.item_id) for item in shown.items] == [
            (item["rank"], item["item_id"]) for item in answer["items"]
        ]
        told = [(item.item_id, event.event_type, event.value) for item in shown.items for event in item.events]
        assert sorted(told, key=repr) == sorted(expected_events(shop, visit), key=repr)
        assert all(event.counted and event.delay_s > 0 for item in shown.items for event in item.events)
        meta = answer["meta"]
        for key in ("tenant_id", "surface", "segment", "algo_version", "config_version", "rules_version", "release"):
            assert shown.context[key] == meta[key]
        [experiment] = found.experiments
        assert experiment.agree
        assert experiment.shown == [meta["experiment"]["variant"]]
        truth = {"control": (0.7, 0.3), "better": (0.1, 0.9), "equal": (0.7, 0.3), "worse": (0.0, 0.0)}
        weights = truth[meta["experiment"]["variant"]]
        assert (found.applied.weights.pop, found.applied.weights.cooc) == weights
        assert found.applied.config.diff == []


def test_a_trace_follows_the_shopper(made):
    """The rest of the shopper's visits, and all that was done in them, stand around each of them; nobody else's."""
    shop = shops.open_shop(SEED, items=SMALL.items, shoppers=SMALL.shoppers)
    visits = plan(shop, SMALL.requests)
    busiest = Counter(visit.shopper for visit in visits).most_common(1)[0][0]
    own = [visit for visit in visits if visit.shopper == busiest]
    assert len(own) > 2
    around = traced(made, own[0].request_id).around
    assert sorted(row.request_id for row in around.rows if row.log == "exposures") == sorted(
        visit.request_id for visit in own[1:]
    )
    told = [(row.request_id, row.item_id, row.event_type, row.value) for row in around.rows if row.log == "outcomes"]
    expected = [(visit.request_id, *event) for visit in own[1:] for event in expected_events(shop, visit)]
    assert sorted(told, key=repr) == sorted(expected, key=repr)


def test_the_doctor_finds_nothing(made):
    """The logs of the demo have a clean bill, in which every detector that has something to look at looked."""
    named = sources.from_options(
        *([str(made.out / name)] for name in (demo.EXPOSURES, demo.OUTCOMES, demo.ASSIGNMENTS))
    )
    told = diagnose(named, policy=Policy(), thresholds=None, now=datetime.now(UTC))
    assert told.findings == []
    assert {check.detector for check in told.checks if check.unable} == {"propensities", "window_too_short"}


def test_few_requests_decide_nothing(made):
    """With 40 users an arm nothing is decided, and the reasons say so; the YAML in the folder declares all arms."""
    assert [(each.candidate, each.decision) for each in made.decisions] == [
        ("better", "hold"), ("equal", "hold"), ("worse", "hold"),
    ]  # fmt: skip
    assert all("of 100 needed" in each.reasons[0] for each in made.decisions)
    asked = config.read(str(made.out / demo.SETTINGS)).experiment
    assert asked.arms == dict.fromkeys(experiment.VARIANTS, 1.0)
    assert {(rule.metric, rule.limit) for rule in asked.guardrails} == {
        ("error_rate", 0.0), ("empty_rate", 0.0), ("latency_p95", 500.0),
    }  # fmt: skip


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """A larger demo with the arm whose old apps make up request ids."""
    out = tmp_path_factory.mktemp("broken")
    return demo.run(out, LARGE, 1, on_step=lambda text: None, on_visit=lambda: None)


@pytest.mark.long
def test_the_experiment_is_decided_by_its_truth(broken):
    """Better ships, equal and broken hold, worse is rolled back; the reasons say why, and a replay says the same."""
    found = {each.candidate: each for each in broken.decisions}
    assert {name: each.decision for name, each in found.items()} == {
        "better": "ship", "equal": "hold", "worse": "rollback", "broken": "hold",
    }  # fmt: skip
    first = {name: each.reasons[0] for name, each in found.items()}
    assert first["better"].startswith("ctr +")
    assert first["better"].endswith("better than the control, beyond chance")
    assert first["equal"].endswith("it may be no better than the control")
    assert first["worse"].endswith("worse beyond chance")
    assert first["broken"].startswith("100.00% of control's and 9")
    assert [check.name for check in found["broken"].integrity if check.told == first["broken"]] == ["arms match alike"]
    assert len(found["broken"].reasons) == 1
    assert all(not difference for _, difference in map(replay.replayed, replay.read(broken.out / demo.DECISIONS[0])))
    assert [decided(each).split()[:2] for each in broken.decisions] == [
        ["better", "SHIP"], ["equal", "HOLD"], ["worse", "ROLLBACK"], ["broken", "HOLD"],
    ]  # fmt: skip


@pytest.mark.long
def test_only_the_broken_arm_loses_outcomes(broken):
    """About a tenth of its outcomes, and no other's, name a request that nobody made; over 95 % of all match."""
    shown = {row["request_id"] for row in lines(broken.out / demo.EXPOSURES)}
    lost, rows = Counter(), Counter()
    for row in lines(broken.out / demo.OUTCOMES):
        arm = row["context"]["experiment_variant"]
        rows[arm] += 1
        lost[arm] += row["request_id"] not in shown
    assert {arm for arm, count in lost.items() if count} == {"broken"}
    assert 0.06 < lost["broken"] / rows["broken"] < 0.14
    assert broken.report.data_quality.rates.match.value > 0.95


def test_no_raw_id_reaches_a_log(made):
    """The shop's own names of shoppers are in none of the files that the service wrote."""
    for name in (demo.EXPOSURES, demo.OUTCOMES, demo.ASSIGNMENTS, demo.SERVICE_LOG):
        assert "shopper-" not in (made.out / name).read_text()


@pytest.mark.long
def test_the_same_seed_gives_the_same_demo(made, tmp_path):
    """A second demo with the same seed has the same lists, fates and metrics."""
    again = demo.run(tmp_path / "again", SMALL, SEED, on_step=lambda text: None, on_visit=lambda: None)

    def lists(out):
        rows = lines(out / demo.EXPOSURES)
        return {row["request_id"]: (row["user_id"], row["items"], row["context"]["release"]) for row in rows}

    assert lists(again.out) == lists(made.out)
    assert again.report.data_quality.fates == made.report.data_quality.fates
    assert again.report.results == made.report.results


@pytest.mark.long
def test_the_command_tells_what_it_made(tmp_path):
    """``recsys-demo`` exits 0, prints rates, a metrics table and a line for each arm, and leaves all files."""
    done = subprocess.run(
        [sys.executable, "-c", "from recsys.demo.cli import main; main()", "--out", str(tmp_path), "--requests", "60"],
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "100.0%" in done.stdout
    assert "ndcg@10" in done.stdout
    assert [line.split()[:2] for line in done.stdout.splitlines() if line.startswith("  ")] == [
        [arm, "HOLD"] for arm in ("better", "equal", "worse")
    ]
    for name in (demo.EXPOSURES, demo.OUTCOMES, demo.ASSIGNMENTS, *demo.REPORTS, *demo.DECISIONS):
        assert (tmp_path / name).stat().st_size > 0
