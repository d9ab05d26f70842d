"""The example converters on real public logs, through validation, join and evaluation."""

import csv
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from statsmodels.stats.contingency_tables import StratifiedTable

from recsys.attribution import sources
from recsys.attribution.doctor.diagnose import diagnose
from recsys.attribution.policy import Policy
from recsys.contracts.events import Exposure
from recsys.evaluation.config import EvaluationConfig
from recsys.evaluation.evaluate import evaluate

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(script, *arguments):
    return subprocess.run(
        [sys.executable, str(EXAMPLES / script), *map(str, arguments)], capture_output=True, text=True, check=False
    )  # fmt: skip


def report_of(folder, **options):
    named = sources.from_options(
        [str(folder / "exposures.jsonl")], [str(folder / "outcomes.jsonl")], **options
    )  # fmt: skip
    return evaluate(named, EvaluationConfig(slice_keys=["surface"])).report


def test_news_impressions(real_data, tmp_path):
    """MIND: 5,000 exposures, 189,359 impressions, 7,542 clicks, every click attributed."""
    done = run("convert_impressions.py", real_data("mind") / "behaviors.tsv", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "5,000 exposures, 189,359 impressions, 7,542 clicks\n"
    report = report_of(tmp_path)
    quality = report.data_quality
    assert quality.exposures.distinct == 5_000
    assert quality.exposures.impressions == 189_359
    assert quality.exposures.users == 4_637
    assert quality.fates.attributed == quality.fates.rows == 7_542
    assert quality.rates.match.value == quality.rates.join.value == 1.0
    assert report.summary.status == "pass"


def test_the_doctor_on_news_impressions(real_data, tmp_path):
    """MIND has a clean bill but for its one tenant, which its publisher left out; with it, an entirely clean one."""
    run("convert_impressions.py", real_data("mind") / "behaviors.tsv", "--out", tmp_path)
    named = sources.from_options([str(tmp_path / "exposures.jsonl")], [str(tmp_path / "outcomes.jsonl")])

    def findings():
        told = diagnose(named, policy=Policy(), thresholds=None, now=datetime(2026, 2, 1, tzinfo=UTC))
        return [(finding.detector, finding.severity) for finding in told.findings]

    assert findings() == [("slicing_keys", "warning")]
    log = tmp_path / "exposures.jsonl"
    log.write_text(log.read_text().replace('"context":{', '"context":{"tenant_id":"news",'))
    assert findings() == []


@pytest.mark.parametrize(("policy", "clicks"), [("bts", 42), ("random", 38)])
def test_slot_logs(real_data, tmp_path, policy, clicks):
    """Open Bandit: 10,000 exposures of each policy; 42 and 38 clicks, all attributed; intervals are wide."""
    log = real_data("open_bandit") / policy / "all" / "all.csv"
    done = run("convert_slot_log.py", log, "--policy", policy, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"10,000 exposures, {clicks} outcomes, 10,000 assignments\n"
    report = report_of(tmp_path, assignments=[str(tmp_path / "assignments.jsonl")])
    quality = report.data_quality
    assert quality.exposures.distinct == quality.exposures.anonymous == 10_000
    assert quality.fates.attributed == quality.fates.rows == clicks
    rate = next(result.estimate for result in report.results if result.metric == "hitrate@10" and not result.slice_key)
    assert rate.value == pytest.approx(clicks / 10_000)
    assert rate.high - rate.low > 0.5 * rate.value
    first = msgspec.json.decode((tmp_path / "exposures.jsonl").read_bytes().splitlines()[0], type=Exposure)
    assert first.items[0].propensity == pytest.approx(0.0125 if policy == "random" else 0.087125)


def test_position_bias_of_a_slot_log(real_data, tmp_path):
    """Open Bandit's random policy identifies it: each rank's examination is the risk ratio that statsmodels pools of
    the items, and 38 clicks leave an interval so wide that all ranks may be looked at alike."""
    log = real_data("open_bandit") / "random" / "all" / "all.csv"
    run("convert_slot_log.py", log, "--policy", "random", "--out", tmp_path)
    cells = Counter()
    with log.open(newline="") as file:
        for row in csv.DictReader(file):
            cells[row["item_id"], int(row["position"]), row["click"] == "1"] += 1
    items = sorted({item for item, _, _ in cells})
    ratios = [
        StratifiedTable(
            [[[cells[item, at, True], cells[item, at, False]] for at in (rank, rank - 1)] for item in items]
        ).riskratio_pooled
        for rank in (2, 3)
    ]
    bias = report_of(tmp_path).position_bias
    assert (bias.status, len(bias.points)) == ("identified", 3)
    assert bias.points[1].examination == pytest.approx(ratios[0], rel=1e-9)
    assert bias.points[2].examination == pytest.approx(ratios[0] * ratios[1], rel=1e-9)
    for point in bias.points[1:]:
        assert point.low < 1 < point.high
        assert point.high > 3 * point.low
    assert bias.click_rate.value == pytest.approx(0.0038)


def test_a_bad_row_is_named(tmp_path):
    """A converter stops at a row that it cannot read, and says which."""
    log = tmp_path / "bad.tsv"
    log.write_text("1\tu\t11/12/2019 2:14:46 PM\t\tN1-0 N2-1\n2\tu\t11/12/2019 2:14:46 PM\t\tN1\n")
    done = run("convert_impressions.py", log, "--out", tmp_path)
    assert done.returncode == 1
    assert "line 2: found an impression without -0 or -1" in done.stderr
    done = run("convert_slot_log.py", log, "--policy", "p", "--out", tmp_path)
    assert done.returncode == 1
    assert "row 1" in done.stderr
