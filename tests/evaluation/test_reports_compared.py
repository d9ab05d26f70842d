"""Two reports compared: against clusters of rows, exact where nothing differs, and honest where nothing can be said."""

import json
from collections import defaultdict

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from offline_worlds import bucket, made, report
from recsys.contracts.report import Report
from recsys.contracts.report_comparison import ReportComparison
from recsys.evaluation.render import compared, text
from recsys.evaluation.reports_compared import compare


def changes(comparison):
    return {(c.metric, c.slice_key, c.slice_value): c.change for c in comparison.changes}


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    """The rows and the report of 900 users."""
    rows = made(900)
    return rows, report(tmp_path_factory.mktemp("before"), rows)


@pytest.fixture(scope="module")
def after(before, tmp_path_factory):
    """The same requests, with a fifth of the clicks taken away."""
    rows = [{**row, "clicked": row["clicked"] if n % 5 else []} for n, row in enumerate(before[0])]
    return rows, report(tmp_path_factory.mktemp("after"), rows)


def test_a_paired_change_is_that_of_clusters_of_rows(before, after):
    """Hit rate, over all and over responded, in all and in a slice: value and interval from rows, buckets as
    clusters."""
    from scipy import stats

    found = compare(before[1], after[1])
    assert (found.same_requests, found.identical, found.label) == (True, False, "paired: the same requests")
    for key, value in (("", ""), ("surface", "home")):
        part = next(s for s in after[1].buckets.slices if (s.slice_key, s.slice_value) == (key, value))
        sums = defaultdict(lambda: np.zeros(4))
        for place, rows in enumerate((before[0], after[0])):
            for row in rows:
                if not key or row[key] == value:
                    sums[bucket(row["user"], part.count)][2 * place : 2 * place + 2] += (
                        any(at < len(row["items"]) for at in row["clicked"]),
                        1,
                    )
        y_a, n_a, y_b, n_b = np.array(list(sums.values())).T
        a, b = y_a.sum() / n_a.sum(), y_b.sum() / n_b.sum()
        residuals = (y_b - b * n_b) / n_b.sum() - (y_a - a * n_a) / n_a.sum()
        count = len(residuals)
        half = stats.t.ppf(0.975, count - 1) * np.sqrt(count / (count - 1) * (residuals**2).sum())
        change = changes(found)["hitrate@10", key, value]
        assert change.value == pytest.approx(b - a)
        assert (change.low, change.high) == pytest.approx((b - a - half, b - a + half))
        assert change.high < 0
    responded = changes(found)["mrr@10|responded", "", ""]
    assert responded.low < responded.value < responded.high


def test_the_same_bytes_differ_by_exactly_nothing(before, tmp_path):
    """Every figure of two runs on the same logs differs by 0, from 0 to 0; so does one of too few users for sums."""
    found = compare(before[1], replace(before[1], run_id="again"))
    assert found.identical
    for change in found.changes:
        if change.baseline is not None:
            assert (change.change.value, change.change.low, change.change.high) == (0, 0, 0)
    small = report(tmp_path, made(20))
    assert changes(compare(small, small))["hitrate@10", "", ""].low == 0


def test_equal_sums_of_the_same_requests_differ_by_nothing(before, tmp_path):
    """Also where the bytes are others: rows in another order."""
    found = compare(before[1], report(tmp_path, before[0][::-1]))
    assert (found.identical, found.same_requests) == (False, True)
    for metric in ("hitrate@10", "mrr@10|responded", "gini", "coverage@2", "novelty@10"):
        change = changes(found)[metric, "", ""]
        assert (change.value, change.low, change.high) == (0, 0, 0), metric


def test_other_requests_are_no_causal_comparison(before, tmp_path):
    """The label says so; spreads are not compared at other numbers of impressions; sums that are equal by chance give
    no interval of no width."""
    found = compare(before[1], report(tmp_path, made(900, seed=2, chance=0.6)))
    assert found.label == "not a causal comparison: the requests differ"
    assert changes(found)["hitrate@10", "", ""].low > 0
    assert changes(found)["gini", "", ""].value is None
    assert "depends on the number of impressions" in changes(found)["gini", "", ""].note
    renamed = [{**row, "request": f"x{row['request']}"} for row in before[0]]
    same_sums = changes(compare(before[1], report(tmp_path / "b", renamed)))["hitrate@10", "", ""]
    assert (same_sums.value, same_sums.low) == (0, None)
    assert "requests differ" in same_sums.note


def test_a_spread_at_equal_impressions_is_compared_by_groups(before, tmp_path):
    """Gini, novelty and coverage of lists of the same lengths with other items: the jackknife of the difference."""
    rows = [{**row, "items": [f"i{29 - int(item[1:])}" for item in row["items"]]} for row in before[0]]
    rows = [{**row, "items": ["i0", *row["items"][1:]] if "i0" not in row["items"] else row["items"]} for row in rows]
    found = changes(compare(before[1], report(tmp_path, rows)))
    for metric in ("gini", "novelty@10"):
        change = found[metric, "", ""]
        assert change.low < change.value < change.high, metric
        assert "jackknife" in change.method
    assert found["gini", "", ""].low > 0


def test_what_differs_in_the_settings_is_told(before, tmp_path):
    """Metrics, attribution and level, in words; what is in one report alone has no change."""
    other = report(tmp_path, before[0], metrics=["hitrate@10", "mrr@5"], level=0.8)
    found = compare(before[1], other)
    told = "\n".join(found.notes)
    assert "offline.metrics was hitrate@10, mrr@10" in told
    assert "level of intervals was 0.95 in the baseline; here it is 0.8" in told
    assert "baseline alone" in changes(found)["mrr@10", "", ""].note
    assert changes(found)["hitrate@10", "", ""].level == 0.8


def test_a_small_report_says_why_it_cannot_be_compared(before, tmp_path):
    """Too few users for sums: the reason stands in place of a figure."""
    found = changes(compare(before[1], report(tmp_path, made(40))))
    assert found["hitrate@10", "", ""].value is None
    assert "too few users" in found["hitrate@10", "", ""].note


def test_what_is_in_no_log_widens_the_interval(before, after):
    """A report that lost lists: the change may be as far off as these could move either mean."""
    lossy = replace(after[1], data_quality=replace(after[1].data_quality, lost_exposures=50))
    was, now = (changes(compare(before[1], each))["hitrate@10", "", ""] for each in (after[1], lossy))
    n, value = was.n, next(r.estimate.value for r in after[1].results if r.metric == "hitrate@10")
    assert now.low - was.low == pytest.approx(n * value / (n + 50) - value)
    assert now.high - was.high == pytest.approx((n * value + 50) / (n + 50) - value)
    assert "widened" in now.method


@pytest.mark.parametrize("form", ["json", "markdown", "html"])
def test_all_forms_tell_the_label_and_the_changes(before, after, form):
    """JSON reads back; Markdown and HTML name the label, each metric, and slices beyond chance."""
    found = compare(before[1], after[1])
    told = compared(found, form)
    if form == "json":
        assert msgspec.json.decode(told, type=ReportComparison) == found
        return
    assert "paired: the same requests" in told
    assert "hitrate@10" in told
    assert "worse" in told
    assert "surface home" in told


def test_a_report_without_sums_is_read_and_not_compared(before):
    """A report of an earlier version has none; it says so, and nothing is made up."""
    document = json.loads(text(before[1], "json"))
    del document["buckets"], document["gates"], document["comparison"]
    old = msgspec.json.decode(json.dumps(document).encode(), type=Report)
    found = compare(old, replace(before[1], version="another"))
    assert any("earlier version" in note for note in found.notes)
    assert {c.change.value for c in found.changes if c.metric == "hitrate@10"} == {None}
