"""A loss that the log noted is told, widens intervals, and beyond its limit holds; without one nothing changes."""

import json

import pytest

from lossy_logs import BEGIN, FULL, rows, write
from recsys.attribution import sources
from recsys.attribution.policy import Policy
from recsys.contracts.report import Report
from recsys.evaluation import early_join, quality_text, render
from recsys.evaluation import evaluate as conductor
from recsys.evaluation.config import EvaluationConfig


def evaluated(folder, made, policy=None, **gaps) -> Report:
    named = sources.from_options(**write(folder, made, **gaps))
    return conductor.evaluate(named, EvaluationConfig(attribution=policy or Policy(max_lost_rate=1))).report


def estimates(report):
    return {(r.metric, r.slice_key, r.slice_value): r.estimate for r in report.results}


SCORES = ("hitrate@10", "precision@10", "recall@10", "ndcg@10", "map@10", "mrr@10")


def test_an_interval_holds_the_worst_that_lost_lists_could_be(tmp_path):
    """Each interval, in all and of a slice, over all and over the responded, is (N·low + L·0)/(N + L) to
    (N·high + L·1)/(N + L); values stay, and the method and note say so."""
    before = estimates(evaluated(tmp_path / "whole", rows(100)))
    after = estimates(evaluated(tmp_path / "lossy", rows(100), exposures=[(4, 0), (1, 9)]))
    assert before.keys() == after.keys()
    widened = 0
    for key, was in before.items():
        now = after[key]
        assert (now.value, now.n, now.units) == (was.value, was.n, was.units)
        assert "5 lists that were shown are in no log" in now.note or "unavailable" in now.note
        if was.low is not None:
            widened += 1
            assert now.low == pytest.approx(was.n * was.low / (was.n + 5))
            assert now.high == pytest.approx((was.n * was.high + 5) / (was.n + 5))
            assert "widened" in now.method
    assert widened >= len(SCORES)


def test_where_there_is_no_interval_the_bounds_of_the_loss_are_said_and_make_none(tmp_path):
    """One user has no interval, with a loss or without; the note gives the bounds of the mean."""
    found = estimates(evaluated(tmp_path / "one", rows(10, users=1), exposures=[(10, 0)]))["hitrate@10", "", ""]
    assert (found.low, found.high, found.level, found.method) == (None, None, None, "")
    assert found.value == 0.4
    assert found.note.endswith("10 lists that were shown are in no log: with them the mean is from 0.2000 to 0.7000")


def test_lost_outcomes_widen_scores_on_both_sides_and_no_spread(tmp_path):
    """Each may change the score of one list by the whole range; what is not made of outcomes stays as it was."""
    before = estimates(evaluated(tmp_path / "whole", rows(100)))
    after = estimates(evaluated(tmp_path / "lossy", rows(100), outcomes=[(2, 0)]))
    for metric in SCORES:
        was, now = before[metric, "", ""], after[metric, "", ""]
        if was.low is not None:
            assert now.low == pytest.approx(max(was.low - 2 / was.n, 0))
            assert now.high == pytest.approx(min(was.high + 2 / was.n, 1))
        assert "2 outcomes are in no log" in now.note
    for metric in ("coverage@10", "novelty@10", "gini"):
        assert after[metric, "", ""] == before[metric, "", ""]


def test_the_interval_of_a_log_with_a_loss_holds_the_mean_of_the_log_without_it(tmp_path):
    """Lists that all responded are lost: what is left has too low a mean, and the interval holds the truth."""
    whole = rows(200, clicked=2)
    left = {
        **whole,
        "exposures": [row for n, row in enumerate(whole["exposures"]) if n % 2 or n >= 60],
        "outcomes": [row for n, row in enumerate(whole["outcomes"]) if n >= 30],
    }
    truth = estimates(evaluated(tmp_path / "whole", whole))
    for key, found in estimates(evaluated(tmp_path / "left", left, exposures=[(30, 0)])).items():
        if found.low is not None and found.high is not None:
            assert found.low <= truth[key].value <= found.high


def test_refused_requests_are_named_and_widen_nothing(tmp_path):
    """Nothing was shown for them: intervals are as they were, and the counts are told."""
    before = evaluated(tmp_path / "whole", rows(50))
    after = evaluated(tmp_path / "refused", rows(50), exposures=[(0, 8)], outcomes=[(0, 3)])
    assert estimates(after) == estimates(before)
    assert after.data_quality.refused == 11
    assert after.summary.status == "pass"
    assert any(warning.startswith("11 requests were refused") for warning in after.warnings)


@pytest.mark.parametrize(
    ("gaps", "limit", "held"),
    [
        ({"exposures": [(1, 0)]}, 0.01, []),
        (
            {"exposures": [(2, 0)]},
            0.01,
            ["2 of 101 lists shown are in no log, which is 1.98%, over the limit of 1.00%"],
        ),
        ({"exposures": [(2, 0)]}, 0.02, []),
        ({"exposures": [(1, 0)]}, 0.0, ["1 of 100 lists shown"]),
        ({"outcomes": [(1, 0)]}, 0.01, ["1 of 34 outcomes are in no log"]),
        ({"outcomes": [(1, 0)]}, 0.03, []),
        ({"exposures": [(0, 99)], "outcomes": [(0, 99)], "assignments": [(99, 0)]}, 0.0, []),
    ],
)
def test_a_loss_beyond_the_limit_holds(tmp_path, gaps, limit, held):
    """The limit is a share of all lists that were shown, and of all outcomes; what was refused is no loss."""
    made = rows(99)
    made["assignments"] = [
        {"experiment_id": "e", "variant": "A", "request_id": "r1", "user_id": "u1", "ts": BEGIN}
    ]  # fmt: skip
    report = evaluated(tmp_path / "logs", made, Policy(max_lost_rate=limit), **gaps)
    assert len(report.summary.reasons) == len(held)
    for reason, expected in zip(report.summary.reasons, held, strict=True):
        assert reason.startswith(expected)
    assert report.summary.status == ("hold" if held else "pass")


def test_a_low_match_rate_says_that_orphans_of_lost_lists_are_expected(tmp_path):
    """The reason of the match rate names the lists that are in no log, and without any says nothing of them."""
    made = rows(100)
    made["exposures"] = made["exposures"][4:]
    for gaps, told in (({"exposures": [(4, 0)]}, True), ({}, False)):
        report = evaluated(tmp_path / f"logs-{told}", made, Policy(min_match_rate=0.99, max_lost_rate=1), **gaps)
        (reason,) = report.summary.reasons
        assert reason.startswith("the match rate is")
        assert ("outcomes of the 4 lists that are in no log are among those" in reason) is told


def test_every_report_and_both_checks_name_the_gaps(tmp_path):
    """JSON has every field; Markdown, HTML, `join` and `validate` have a line with count, time, reason and file."""
    files = write(tmp_path / "logs", rows(50), exposures=[(3, 2)], outcomes=[(0, 4)])
    report = conductor.evaluate(sources.from_options(**files), EvaluationConfig()).report
    told = json.loads(render.text(report, "json"))["data_quality"]
    assert told["gaps"][0] == {
        "log": "exposures", "file": files["exposures"][0], "lost": 3, "refused": 2, "first": BEGIN,
        "last": "2026-02-05T10:05:00Z", "reason": FULL,
    }  # fmt: skip
    assert (told["lost_exposures"], told["lost_outcomes"], told["refused"]) == (3, 0, 6)
    line = f"exposures: 3 lost, 2 refused, 2026-02-05 10:00:00 to 2026-02-05 10:05:00 UTC: {FULL}"
    checked = early_join.check(files["exposures"], files["outcomes"], None, None)
    for text in (
        render.text(report, "markdown"),
        render.text(report, "html"),
        " ".join(quality_text.render(report.data_quality).split()),
        early_join.as_text(checked),
    ):
        assert line in text
        assert "outcomes: 4 refused" in text


def test_without_a_gap_nothing_is_told(tmp_path):
    """Indexes that note no loss leave every text without a word of it, and the new fields empty."""
    report = evaluated(tmp_path / "logs", rows(50))
    quality = report.data_quality
    assert (quality.gaps, quality.lost_exposures, quality.lost_outcomes, quality.lost_assignments) == ([], 0, 0, 0)
    assert (quality.refused, quality.aliases) == (0, 0)
    for text in (render.text(report, "markdown"), render.text(report, "html"), quality_text.render(quality)):
        assert "no log" not in text
        assert "widened" not in text
