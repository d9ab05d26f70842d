"""The e-mail test of Hillstrom through the real command: the published effects, and a decision on three arms."""

import csv
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from scipy import stats

from recsys.contracts.report import Report

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NONE, MENS, WOMENS = "No E-Mail", "Mens E-Mail", "Womens E-Mail"
COLUMNS = {"ctr": "visit", "conversion_rate": "conversion", "revenue_per_user": "spend"}
REFERENCE = {
    (MENS, "ctr"): (0.07659, None),
    (MENS, "conversion_rate"): (0.006805, 7.3897),
    (MENS, "revenue_per_user"): (0.769827, 5.3001),
    (WOMENS, "conversion_rate"): (0.003111, None),
    (WOMENS, "revenue_per_user"): (0.424412, 3.2564),
}
"""Effects against no e-mail, with Welch's t where it was published."""


def converted(log, folder):
    return subprocess.run(
        [sys.executable, EXAMPLES / "hillstrom.py", log, "--out", folder, "--config", folder / "eval.yaml"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def evaluated(folder, config, status):
    """The report of the command, and how it ended."""
    output, program = folder / f"{config.stem}.json", Path(sys.executable).parent / "recsys-eval"
    logs = [f"--{role}={folder / role}.jsonl" for role in ("exposures", "outcomes", "assignments")]
    done = subprocess.run(
        [program, "run", "--config", config, "--output", output, *logs], capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == status, done.stderr
    return msgspec.json.decode(output.read_bytes(), type=Report)


@pytest.fixture(scope="module")
def rows(real_data):
    """The file by segment: column → values."""
    with (real_data("hillstrom") / "hillstrom_data.csv").open(newline="", encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    return {
        segment: {
            column: np.array([float(row[column]) for row in read if row["segment"] == segment])
            for column in ("visit", "conversion", "spend", "history")
        }
        for segment in (NONE, MENS, WOMENS)
    }


@pytest.fixture(scope="module")
def logs(real_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hillstrom")
    done = converted(real_data("hillstrom") / "hillstrom_data.csv", folder)
    assert done.stdout == "64,000 exposures, 9,972 outcomes, 64,000 assignments\n", done.stderr
    return folder


@pytest.fixture(scope="module")
def fixed(logs):
    """One look, adjusted for what was spent before."""
    return evaluated(logs, logs / "eval.yaml", 0)


@pytest.fixture(scope="module")
def sequence(logs):
    """Intervals that hold at every look, and no adjustment; no slices, which are those of the other."""
    text = (logs / "eval.yaml").read_text()
    text = text.replace("sequential: {enabled: false}", "sequential: {planned_units: 40000}")
    text = text.replace("cuped: {enabled: true, covariate_key: history}", "cuped: {enabled: false}")
    text = text.replace("slice_keys: [zip_code, newbie, channel]", "slice_keys: [newbie]")
    (logs / "sequence.yaml").write_text(text)
    return evaluated(logs, logs / "sequence.yaml", 2)


def metrics(report):
    """By candidate and metric."""
    return {
        (each.decision.candidate, metric.metric): metric
        for each in report.experiment.candidates
        for metric in each.decision.metrics
    }


def plain(metric):
    """The effect that nothing was done to: not capped, not adjusted."""
    return metric.uncapped or metric.unadjusted or metric.effect


def test_the_published_effects(fixed, rows):
    """Both e-mails against none: the published effects and t, and Welch's test of the rows by scipy."""
    found = metrics(fixed)
    assert len(found) == 6
    for (arm, name), metric in found.items():
        effect = plain(metric)
        welch = stats.ttest_ind(rows[arm][COLUMNS[name]], rows[NONE][COLUMNS[name]], equal_var=False)
        assert effect.value / effect.se == pytest.approx(welch.statistic, rel=1e-6)
        assert effect.p == pytest.approx(welch.pvalue, rel=1e-4)
        low, high = welch.confidence_interval(0.975)  # two candidates share the 5 %
        assert (effect.low, effect.high) == (pytest.approx(low, rel=1e-6), pytest.approx(high, rel=1e-6))
        value, t = REFERENCE.get((arm, name), (None, None))
        assert value is None or effect.value == pytest.approx(value, rel=1e-4)
        assert t is None or effect.value / effect.se == pytest.approx(t, abs=1e-4)


def test_what_was_spent_before_explains_little(fixed, rows):
    """CUPED with the pooled slope of numpy: effect, error and the share of the variance that it takes away."""
    for (arm, name), metric in metrics(fixed).items():
        pairs = [(rows[segment][COLUMNS[name]], rows[segment]["history"]) for segment in (NONE, arm)]
        residual = [(y - y.mean(), x - x.mean()) for y, x in pairs]
        slope = sum(x @ y for y, x in residual) / sum(x @ x for _, x in residual)
        (before, after), (left, right) = ([y - slope * x for y, x in pairs], [y for y, _ in pairs])
        effect, plain_variance = metric.effect, left.var(ddof=1) / left.size + right.var(ddof=1) / right.size
        variance = before.var(ddof=1) / before.size + after.var(ddof=1) / after.size
        assert effect.value == pytest.approx(after.mean() - before.mean(), rel=1e-3)
        assert effect.se == pytest.approx(variance**0.5, rel=1e-4)
        assert metric.cuped.reduction == pytest.approx(1 - variance / plain_variance, rel=0.03)
        assert 0 < metric.cuped.reduction < 0.005
        assert metric.cuped.used
        assert metric.cuped.missing == {NONE: 0, arm: 0}
        assert metric.cuped.balance_p > 0.001


def test_revenue_is_capped_and_the_uncapped_figure_stands_beside(fixed):
    """The 99th percentile of those who bought is the most that anybody spent: nobody is cut, and the report says so."""
    for arm in (MENS, WOMENS):
        metric = metrics(fixed)[arm, "revenue_per_user"]
        assert (metric.cap.value, metric.cap.quantile, metric.cap.units) == (499.0, 0.99, 0)
        assert metric.uncapped.value == metric.unadjusted.value


def test_the_sample_ratio_is_healthy(fixed, sequence):
    """p = 0.904 against one third each, and no alarm while it runs."""
    ratio = fixed.experiment.trial.sample_ratio
    assert ratio.declared
    assert ratio.observed == {MENS: 21_307, WOMENS: 21_387, NONE: 21_306}
    assert ratio.p == pytest.approx(0.9037, abs=5e-4)
    assert ratio.p == pytest.approx(stats.chisquare(list(ratio.observed.values())).pvalue)
    assert not sequence.experiment.running_sample_ratio.alarm


def verdicts(report):
    return {each.decision.candidate: each.decision.decision for each in report.experiment.candidates}


def test_both_e_mails_ship_at_one_look(fixed):
    """Three declared arms that share the 5 %: each candidate is better on visits, purchases and spend."""
    assert (fixed.summary.status, verdicts(fixed)) == ("ship", {MENS: "ship", WOMENS: "ship"})
    assert [each.decision.rule.alpha_each for each in fixed.experiment.candidates] == [0.025, 0.025]


def test_one_of_them_waits_where_each_look_may_decide(sequence):
    """A sequence asks for more: the spend of the e-mail for women, at t = 3.26, is not beyond what many looks find."""
    assert (sequence.summary.status, verdicts(sequence)) == ("hold", {MENS: "ship", WOMENS: "hold"})
    (reason,) = [told for told in sequence.summary.reasons if "may be no better" in told]
    assert reason.startswith("Womens E-Mail (hold): revenue_per_user +0.4244 (+65 %), 97.5 % interval -")


def test_the_sequence_is_wider_about_the_same_effect(fixed, sequence):
    """What may be looked at as often as one likes costs width: half as much again, about the same value."""
    for key, metric in metrics(sequence).items():
        once = plain(metrics(fixed)[key])
        always = metric.effect
        assert "confidence sequence" in always.method
        assert always.value == once.value
        assert 1.2 < (always.high - always.low) / (once.high - once.low) < 1.8


def test_a_covariate_of_the_assignments_is_not_missed_in_the_lists(fixed):
    """That no list has ``history`` in its context is no note: it is read where the customers were assigned."""
    assert not [note for note in fixed.warnings if "history" in note]


def test_no_slice_stands_out_after_the_correction(fixed):
    """Where the effect differs by channel, zip code or novelty, it may be by chance."""
    for each in fixed.experiment.candidates:
        assert {found.key for found in each.interactions} == {"zip_code", "newbie", "channel"}
        assert all(found.adjusted_p > 0.05 for found in each.interactions)


def test_a_bad_row_is_named(tmp_path):
    """A value that is neither 0 nor 1 stops the converter, by its row."""
    log = tmp_path / "bad.csv"
    log.write_text(
        "recency,history_segment,history,mens,womens,zip_code,newbie,channel,segment,visit,conversion,spend\n"
        "1,a,1,0,0,Rural,0,Web,No E-Mail,yes,0,0\n"
    )
    done = converted(log, tmp_path)
    assert done.returncode == 1
    assert "row 1: ValueError(\"found 'yes', expected 0 or 1\")" in done.stderr
