"""The loop of ``make demo``, smaller: real processes, a real database, real HTTP, and a known truth."""

import json
import subprocess
import sys

import pytest

from recsys.demo import run as demo
from recsys.demo import shop as shops
from recsys.demo.shoppers import plan, react

SMALL = demo.Size(requests=240, items=300, shoppers=200, events=6_000, workers=2)
SEED = 5


def lines(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo")
    return demo.run(out, SMALL, SEED, on_step=lambda text: None, on_visit=lambda: None)


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
    """Every request has one assignment line, and it names the variant in the exposure's context."""
    assigned = {row["request_id"]: row["variant"] for row in lines(made.out / demo.ASSIGNMENTS)}
    exposures = lines(made.out / demo.EXPOSURES)
    assert len(assigned) == len(exposures)
    for row in exposures:
        assert row["context"]["experiment_variant"] == assigned[row["request_id"]]
    assert set(assigned.values()) == {"control", "candidate"}


def test_no_raw_id_reaches_a_log(made):
    """The shop's own names of shoppers are in none of the files that the service wrote."""
    for name in (demo.EXPOSURES, demo.OUTCOMES, demo.ASSIGNMENTS, demo.SERVICE_LOG):
        assert "shopper-" not in (made.out / name).read_text()


def test_the_same_seed_gives_the_same_demo(made, tmp_path):
    """A second demo with the same seed has the same lists, fates and metrics."""
    again = demo.run(tmp_path / "again", SMALL, SEED, on_step=lambda text: None, on_visit=lambda: None)

    def lists(out):
        rows = lines(out / demo.EXPOSURES)
        return {row["request_id"]: (row["user_id"], row["items"], row["context"]["release"]) for row in rows}

    assert lists(again.out) == lists(made.out)
    assert again.report.data_quality.fates == made.report.data_quality.fates
    assert again.report.results == made.report.results


def test_the_command_tells_what_it_made(tmp_path):
    """``recsys-demo`` exits 0, prints rates and a metrics table, and leaves all files."""
    done = subprocess.run(
        [sys.executable, "-c", "from recsys.demo.cli import main; main()", "--out", str(tmp_path), "--requests", "60"],
        capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "100.0%" in done.stdout
    assert "ndcg@10" in done.stdout
    for name in (demo.EXPOSURES, demo.OUTCOMES, demo.ASSIGNMENTS, *demo.REPORTS):
        assert (tmp_path / name).stat().st_size > 0
