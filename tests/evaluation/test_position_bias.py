"""Position bias of whole logs: a known examination is recovered, only chance identifies it, and order plays no part."""

import random
from collections import Counter
from pathlib import Path

import pytest
from statsmodels.stats.contingency_tables import StratifiedTable

import position_worlds
import spark_here
import spark_logs
from position_worlds import TRUTH
from recsys.attribution import propensities, sources
from recsys.attribution.engine.choice import EngineChoice
from recsys.attribution.opening import DEFAULT_ENGINE, joined_logs
from recsys.attribution.policy import Policy
from recsys.evaluation import position_bias
from recsys.evaluation.config import EvaluationConfig
from recsys.evaluation.evaluate import evaluate
from recsys.evaluation.metrics import positions
from recsys.evaluation.render import text


def found(files, engine=DEFAULT_ENGINE):
    """The position bias of these logs."""
    with joined_logs(sources.from_options(*files), Policy(), slice_keys=["surface"], engine=engine) as joined:
        return position_bias.position_bias(joined)


def reported(files):
    """A whole report with one metric."""
    config = EvaluationConfig(slice_keys=["surface"], metrics=["hitrate@10"])
    return evaluate(sources.from_options(*files), config).report


@pytest.fixture(scope="module")
def world():
    return position_worlds.made(4_000)


def ratio(rows, rank):
    """The examination of a rank in relation to that above it, by statsmodels of the rows: one propensity cancels."""
    clicked = {(row["request_id"], row["item_id"]) for row in rows["outcomes"]}
    cells = Counter()
    for row in rows["exposures"]:
        for item in row["items"]:
            key = row["context"]["surface"], item["item_id"], item["rank"]
            cells[(*key, (row["request_id"], item["item_id"]) in clicked)] += 1
    strata = sorted({key[:2] for key in cells})
    return StratifiedTable(
        [[[cells[(*s, at, True)], cells[(*s, at, False)]] for at in (rank, rank - 1)] for s in strata]
    ).riskratio_pooled


def test_a_known_examination_is_recovered(world, tmp_path):
    """Each rank's examination is what statsmodels pools of the rows, and its interval holds the truth; so does that of
    the click rate without position bias, which is the mean relevance."""
    report = reported(position_worlds.written(tmp_path, world))
    bias = report.position_bias
    assert (bias.status, bias.reason, bias.note) == ("identified", "", "")
    assert [point.rank for point in bias.points] == [1, 2, 3]
    assert bias.points[1].examination == pytest.approx(ratio(world, 2), rel=1e-9)
    assert bias.points[2].examination == pytest.approx(ratio(world, 2) * ratio(world, 3), rel=1e-9)
    for point, truth in zip(bias.points[1:], TRUTH[1:], strict=True):
        assert point.low < truth < point.high
        assert (point.impressions, point.strata) == (4_000, 6)
    mean = sum(position_worlds.RELEVANCE[item] for items in position_worlds.ITEMS.values() for item in items) / 6
    assert bias.corrected_click_rate.low < mean < bias.corrected_click_rate.high
    assert bias.click_rate.value == pytest.approx(len(world["outcomes"]) / 12_000)
    assert bias.click_rate.high < bias.corrected_click_rate.low


def test_it_stands_in_pages_for_people(world, tmp_path):
    """Markdown and HTML tell the curve in a sentence, a table and a chart; and the reason where there is none."""
    report = reported(position_worlds.written(tmp_path, world))
    markdown, page = text(report, "markdown"), text(report, "html")
    last = report.position_bias.points[-1]
    told = f"rank 3 was looked at {last.examination:.2f} times as often as rank 1 (95 % interval {last.low:.2f} to"
    assert told in markdown
    assert told in page
    assert f"| 3 | {last.examination:.3f} |" in markdown
    assert 'id="chart-position_bias"' in page
    bare = reported(position_worlds.written(tmp_path, position_worlds.made(50, propensity=None)))
    for form in ("markdown", "html"):
        assert "Not identified: no propensities are logged" in text(bare, form)
        assert "chart-position_bias" not in text(bare, form)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"propensity": None}, position_bias.NO_PROPENSITIES),
        ({"propensity": 1.0}, position_bias.NO_CHANCE),
        ({"propensity": 0.0}, position_bias.NO_CHANCE),
        ({"kind": "conditional"}, "propensities are of the kind conditional, and only marginal ones say"),
        ({"kind": "joint"}, "propensities are of the kind joint, and only marginal ones say"),
        ({"kind": "a person's name"}, "propensities are of the kind that propensity_kind does not know"),
        ({"shuffled": False}, position_bias.ONE_RANK),
        ({"requests": 90}, "too little varied by chance: rank 2 has 90 impressions of items that were also shown at"),
    ],
)
def test_without_chance_it_is_not_identified(tmp_path, options, reason):
    """No propensities, those of another kind, certainty, items that keep their rank, or little data: no figure."""
    rows = position_worlds.made(**{"requests": 200, **options})
    bias = found(position_worlds.written(tmp_path, rows))
    assert bias.status == "not identified"
    assert bias.reason.startswith(reason)
    assert (bias.points, bias.click_rate, bias.corrected_click_rate) == ([], None, None)


def test_the_kind_is_marginal_by_default_and_others_are_set_aside(tmp_path):
    """Lists whose context says marginal count as those that say nothing; lists of another kind do not, and are told."""
    named = position_worlds.made(600, kind="marginal")
    files = position_worlds.written(tmp_path / "all", named)
    assert found(files) == found(position_worlds.written(tmp_path / "none", position_worlds.made(600)))
    before = found(files)
    for row in named["exposures"][::3]:
        row["context"]["propensity_kind"] = "joint"
    after = found(position_worlds.written(tmp_path / "some", named))
    assert after.note == "600 propensities of the kind joint are not used"
    assert after.points[1].impressions == before.points[1].impressions - 200
    assert after.click_rate == before.click_rate


def troubled(rows):
    """The rows with redelivered lists, a second list under a request id, an item at two ranks, and no propensities in
    some lists."""
    shown = [dict(row) for row in rows["exposures"]]
    shown += shown[:40]
    shown.append({**shown[50], "items": shown[50]["items"][:2]})
    first = shown[60]["items"][0]
    shown[60] = {**shown[60], "items": [*shown[60]["items"], {**first, "rank": 4}]}
    bare = [{"item_id": item["item_id"], "rank": item["rank"]} for item in shown[70]["items"]]
    shown[70] = {**shown[70], "items": bare}
    return {"exposures": shown, "outcomes": rows["outcomes"]}


def test_order_and_form_of_the_rows_play_no_part(tmp_path, monkeypatch):
    """Shuffled, as Parquet, and in batches of one stratum, the figures are the same to the last digit; copies count
    once, requests with two lists and items at two ranks nowhere, and lists without propensities in the rates alone."""
    rows = troubled(position_worlds.made(900))
    first = found(position_worlds.written(tmp_path / "lines", rows))
    assert first.status == "identified"
    assert [point.impressions for point in first.points] == [898 - 1, 898, 898]
    assert first.click_rate.n == 899 * 3 - 1
    mixed = {role: random.Random(3).sample(part, len(part)) for role, part in rows.items()}
    assert found(position_worlds.written(tmp_path / "mixed", mixed)) == first
    tables = [[spark_logs.write_table(tmp_path / f"{role}.parquet", part, role)] for role, part in mixed.items()]
    assert found(tables) == first
    monkeypatch.setattr(positions, "MOST_CELLS", 1)
    batches = found(tables)
    assert batches.points[2].examination == pytest.approx(first.points[2].examination, rel=1e-12)
    assert batches.points[2].strata == first.points[2].strata


def test_a_log_without_propensities_is_not_looked_into(tmp_path):
    """The cheap question tells lines with the key from those without, and columns with values from those of NULLs."""
    for propensity, expected in ((None, False), (0.5, True)):
        rows = position_worlds.made(20, propensity=propensity)
        folder = tmp_path / f"{propensity}"
        files = position_worlds.written(folder, rows)
        tables = [[spark_logs.write_table(folder / f"{role}.parquet", rows[role], role)] for role in rows]
        for form in (files, tables):
            accepted = sources.accept_dataset(sources.from_options(*form), folder)
            assert propensities.may_be_logged(accepted.exposures) == expected


def test_a_log_that_grows_is_read_as_far_as_it_was_checked(tmp_path):
    """A line that is being written while the figures are made neither counts nor stops them."""
    files = position_worlds.written(tmp_path, position_worlds.made(300))
    named = sources.from_options(*files)
    with joined_logs(named, Policy(), slice_keys=["surface"]) as joined:
        before = position_bias.position_bias(joined)
        with Path(files[0][0]).open("a") as log:
            log.write('{"request_id": "torn')
        assert position_bias.position_bias(joined) == before


@pytest.mark.long
@pytest.mark.timeout(600)
def test_spark_finds_the_same(tmp_path):
    """On Spark the figures are those of DuckDB."""
    spark_here.required()
    rows = troubled(position_worlds.made(900))
    files = position_worlds.written(tmp_path, rows)
    assert found(files, EngineChoice(name="spark")) == found(files)
