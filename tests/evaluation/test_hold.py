"""When figures cannot be relied on: empty logs and bad joins hold with a reason and exit status 2, and never pass."""

import json
import tempfile

import pytest

import troubled_logs
from recsys import console
from recsys.attribution import sources
from recsys.attribution.policy import Policy
from recsys.errors import InputError
from recsys.evaluation import evaluate as conductor
from recsys.evaluation.cli import app
from recsys.evaluation.config import EvaluationConfig
from recsys.evaluation.offline import MAX_SLICES

NO_EXPOSURE, NO_OUTCOME = "there is no valid exposure", "there is no valid outcome"
UNDER = "the match rate is"


def exposures(count, **context):
    return [
        {
            "request_id": f"r{n}", "user_id": f"u{n}", "ts": "2026-02-05T10:00:00Z",
            "items": [{"item_id": "a", "rank": 1}], "context": {"tenant_id": "demo", "surface": "home", **context},
        }
        for n in range(count)
    ]  # fmt: skip


def clicks(matched, lost=0):
    return [
        {
            "request_id": request, "user_id": f"u{request[1:]}", "item_id": "a", "event_type": "click",
            "ts": "2026-02-05T10:00:09Z",
        }
        for request in [*(f"r{n}" for n in range(matched)), *(f"lost-{n}" for n in range(lost))]
    ]  # fmt: skip


def report(folder, shown, done, *, bad=(0, 0), **settings):
    named = sources.from_options(
        troubled_logs.write(folder, "exposures", shown, bad=bad[0]),
        troubled_logs.write(folder, "outcomes", done, bad=bad[1]),
    )
    return conductor.evaluate(named, EvaluationConfig(**settings)).report


HOLDS = [
    (exposures(0), clicks(0), (0, 0), [NO_EXPOSURE, NO_OUTCOME]),
    (exposures(0), clicks(0), (2, 2), [NO_EXPOSURE, NO_OUTCOME]),
    (exposures(0), clicks(3), (0, 0), [NO_EXPOSURE]),
    (exposures(0), clicks(3), (5, 0), [NO_EXPOSURE]),
    (exposures(3), clicks(0), (0, 0), [NO_OUTCOME]),
    (exposures(3), clicks(0), (0, 5), [NO_OUTCOME]),
    (exposures(20), clicks(18, 2), (0, 0), [UNDER]),
    (exposures(20), clicks(0, 1), (0, 0), [UNDER]),
]


@pytest.mark.parametrize(("shown", "done", "bad", "reasons"), HOLDS)
def test_logs_that_cannot_be_relied_on_hold(tmp_path, capsys, shown, done, bad, reasons):
    """Empty logs, logs of bad lines and a low match rate give status hold, each reason in words, and exit status 2."""
    paths = [
        *troubled_logs.write(tmp_path, "exposures", shown, bad=bad[0]),
        *troubled_logs.write(tmp_path, "outcomes", done, bad=bad[1]),
    ]
    out = tmp_path / "report.json"
    arguments = ["run", "--exposures", paths[0], "--outcomes", paths[1], "--output", str(out)]
    assert console.run(app, "recsys-eval", arguments) == 2
    said = capsys.readouterr()
    summary = json.loads(out.read_text())["summary"]
    assert (summary["status"], len(summary["reasons"])) == ("hold", len(reasons))
    for reason, begin in zip(summary["reasons"], reasons, strict=True):
        assert reason.startswith(begin)
        assert f"recsys-eval: hold: {reason}\n" in said.err
    assert said.out.startswith("hold: ")
    assert "Traceback" not in said.err
    assert console.run(app, "recsys-eval", ["join", *arguments[1:5]]) == 2


def test_nothing_has_no_figures(tmp_path):
    """A report on nothing has null figures that say why, no interval, no point, and no share of nothing."""
    found = report(tmp_path, [], [])
    assert (found.clicks_by_rank, found.hours) == ([], [])
    quality = found.data_quality
    assert [quality.rates.valid.value, quality.rates.match.value, quality.rates.join.value] == [None, None, None]
    assert (quality.exposures.first_ts, quality.exposures.last_ts) == (None, None)
    for result in found.results:
        assert (result.estimate.value, result.estimate.n, result.estimate.low) == (None, 0, None)
        assert result.estimate.note
    assert found.summary.headline == "0 exposures to 0 users; 0 outcomes attributed."


def test_the_minimum_itself_is_enough(tmp_path):
    """19 matched of 20 are 95 % and pass; the minimum of the configuration decides, and with 0 no rate is too low."""
    for matched, lost, minimum, status in (
        (19, 1, 0.95, "pass"), (18, 1, 0.95, "hold"), (18, 2, 0.9, "pass"), (18, 2, 0.91, "hold"), (20, 1, 1, "hold"),
        (20, 0, 1, "pass"), (0, 3, 0, "pass"),
    ):  # fmt: skip
        found = report(
            tmp_path, exposures(20), clicks(matched, lost), attribution=Policy(min_match_rate=minimum), metrics=["gini"]
        )
        assert (found.summary.status, bool(found.summary.reasons)) == (status, status == "hold"), (matched, lost)


def test_the_reason_gives_the_figures(tmp_path):
    """The reason names the rate, its parts and the minimum, so that nobody has to look for them."""
    found = report(tmp_path, exposures(20), clicks(17, 3))
    [reason] = found.summary.reasons
    assert "85.00% (17 of 20 outcomes found their exposure), under its minimum of 95.00%" in reason


def test_duplicates_and_bad_rows_do_not_move_the_match_rate(tmp_path):
    """Repeated and invalid outcomes are outside of the match rate: they neither hide a loss nor make one."""
    found = report(tmp_path, exposures(19), [*clicks(19, 1)] * 3, bad=(0, 9))
    match = found.data_quality.rates.match
    assert (match.numerator, match.denominator, found.summary.status) == (19, 20, "pass")
    assert (found.data_quality.fates.duplicate, found.data_quality.fates.invalid) == (40, 9)
    assert "9 outcome rows are invalid and were left out." in found.warnings


def test_a_low_join_rate_is_no_reason(tmp_path):
    """The join rate is a response rate: one click on 200 exposures passes."""
    found = report(tmp_path, exposures(200), clicks(1))
    assert (found.data_quality.rates.join.value, found.summary.status) == (0.005, "pass")


def test_slices_beyond_the_bound_are_told(tmp_path):
    """Of more than 200 values those with the most exposures are reported, and a warning says how many there are."""
    shown = exposures(MAX_SLICES + 5, surface="z")
    for n, row in enumerate(shown[: MAX_SLICES + 3]):
        row["context"]["surface"] = f"s{n:03d}"
    found = report(tmp_path, shown, clicks(9), metrics=["hitrate@1"], slice_keys=["surface"])
    values = {result.slice_value for result in found.results if result.slice_key == "surface"}
    assert values == {"z", *(f"s{n:03d}" for n in range(MAX_SLICES - 1))}
    [warning] = [text for text in found.warnings if "values" in text]
    assert warning == "surface has 204 values; metrics are reported for the 200 with the most exposures."
    assert len([part for part in found.data_quality.by if part.key == "surface"]) == MAX_SLICES + 4


def test_absent_keys_are_warned_of_and_shown(tmp_path):
    """Exposures without a slicing key are counted in a warning and reported under `unknown`."""
    shown = [*exposures(2), {key: value for key, value in exposures(3)[2].items() if key != "context"}]
    found = report(tmp_path, shown, clicks(3), metrics=["hitrate@1"])
    assert found.warnings == [f"1 of 3 exposures have no {key} in their context." for key in ("tenant_id", "surface")]
    assert {result.slice_value for result in found.results} == {"", "demo", "home", "unknown"}


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    """The folder for what does not fit in memory is removed after an evaluation, and after one that fails."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    report(tmp_path / "logs", exposures(3), clicks(3), bad=(1, 1))
    shown, done = (str(tmp_path / "logs" / f"{role}-0.jsonl") for role in ("exposures", "outcomes"))
    broken = sources.from_options([shown], [done], items=str(tmp_path / "missing.jsonl"))
    with pytest.raises(InputError, match="no such file"):
        conductor.evaluate(broken, EvaluationConfig())
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]
