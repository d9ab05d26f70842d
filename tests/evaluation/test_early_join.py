"""The early join test: both logs are sound or not, in words and as JSON, and its figures are those of a whole run."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import troubled_logs
from recsys.attribution import sources
from recsys.contracts.report import Rate
from recsys.errors import UsageError
from recsys.evaluation import early_join
from recsys.evaluation import evaluate as conductor
from recsys.evaluation.config import EvaluationConfig
from recsys.evaluation.quality_text import percent


def check(shown=None, done=None, *, dataset=None, slice_keys=None):
    """What the early join test finds in these files."""
    return early_join.check(shown, done, None, dataset, slice_keys=slice_keys)


@pytest.fixture
def logs(tmp_path):
    """A function that writes a log of 20 exposures and one of their clicks, some changed, and gives their paths."""

    def written(*, lost=0, bad=0, count=20, done=20, without=()):
        context = {key: value for key, value in (("tenant_id", "demo"), ("surface", "home")) if key not in without}
        shown = [
            {
                "request_id": f"r{n}", "user_id": f"u{n}", "ts": "2026-02-05T10:00:00Z",
                "items": [{"item_id": "a", "rank": 1}], "context": context,
            }
            for n in range(count)
        ]  # fmt: skip
        clicked = [
            {
                "request_id": f"r{n}" if n >= lost else f"lost-{n}", "user_id": f"u{n}", "item_id": "a",
                "event_type": "click", "ts": "2026-02-05T10:00:09Z",
            }
            for n in range(done)
        ]  # fmt: skip
        done_paths = troubled_logs.write(tmp_path, "outcomes", clicked, bad=bad)
        return troubled_logs.write(tmp_path, "exposures", shown), done_paths

    return written


def test_sound_logs(logs):
    """Two logs that join are sound: every line valid, no reason against them, nothing to note; the text says so."""
    shown, done = logs(done=5)
    found = check(shown, done)
    assert (found.sound, found.reasons, found.notes, found.faults) == (True, [], [], [])
    assert early_join.as_text(found).splitlines() == [
        f"{shown[0]}: exposures: 20 rows, all valid",
        f"{done[0]}: outcomes: 5 rows, all valid",
        "match rate   100.00%   5 of 5 outcomes that found their exposure",
        "join rate     25.00%   5 of 20 exposures with at least one outcome",
        "slicing keys missing: none",
        "The logs join.",
    ]


@pytest.mark.parametrize(
    ("changes", "reason", "line"),
    [
        ({"bad": 3}, "", "outcomes-0.jsonl: outcomes: 23 rows, 3 invalid"),
        ({"lost": 2}, "the match rate is 90.00%", "match rate    90.00%   18 of 20 outcomes"),
        ({"lost": 20}, "the match rate is 0.00%", "join rate      0.00%   0 of 20 exposures"),
        ({"done": 0}, "there is no valid outcome", "match rate         —   0 of 0 outcomes"),
        ({"count": 0, "done": 0}, "there is no valid exposure", "join rate          —   0 of 0 exposures"),
        ({"count": 0}, "there is no valid exposure", "exposures-0.jsonl: exposures: 0 rows, all valid"),
    ],
)
def test_logs_that_are_not_sound(logs, changes, reason, line):
    """A bad line, lost request_ids or an empty log make the logs unsound; the text gives the figure and the reason."""
    found = check(*logs(**changes))
    said = early_join.as_text(found)
    assert not found.sound
    assert line in said
    assert "The logs join." not in said
    assert "".join(found.reasons[:1]).startswith(reason)
    assert bool(found.reasons) == bool(reason)
    assert [text for text in said.splitlines() if text.startswith("not sound: ")] == [
        f"not sound: {text}" for text in found.reasons
    ]


def test_one_lost_outcome_of_twenty_is_borne(logs):
    """A match rate of exactly the default minimum, 95 %, is sound."""
    assert check(*logs(lost=1)).sound


def test_faults_come_first_and_are_bounded(logs):
    """The faults with file and line stand before the figures, as many as are asked for; all bad lines are counted."""
    shown, done = logs(bad=40)
    for bound in (0, 2, 39, 40):
        said = early_join.as_text(early_join.check(shown, done, None, None, max_faults=bound)).splitlines()
        assert [text.split(": ")[0] for text in said[:bound]] == [f"{done[0]}:{21 + n}" for n in range(bound)]
        rest = [f"({40 - bound} more rows are invalid: raise --max-errors to see why)"] if bound < 40 else []
        assert said[bound : bound + len(rest) + 2] == [
            *rest,
            f"{shown[0]}: exposures: 20 rows, all valid",
            f"{done[0]}: outcomes: 60 rows, 40 invalid",
        ]


def test_missing_slicing_keys_are_named(logs):
    """Keys that exposures lack are named and counted, by default tenant_id and surface; they make nothing unsound."""
    paths = logs(without=("surface",))
    found = check(*paths)
    assert found.sound
    assert found.notes == ["20 of 20 exposures have no surface in their context."]
    assert "slicing keys missing: surface\n" in early_join.as_text(found)
    found = check(*paths, slice_keys=["device", "tenant_id", "release"])
    assert found.quality.missing_keys == {"device": 20, "tenant_id": 0, "release": 20}
    assert "slicing keys missing: device, release\n" in early_join.as_text(found)


def test_a_dataset_names_the_logs_too(tmp_path, logs):
    """From a dataset YAML the same is found as from the files themselves; without logs it is a usage error."""
    paths = logs(lost=3)
    (tmp_path / "d.yaml").write_text("exposures: exposures-0.jsonl\noutcomes: outcomes-0.jsonl\n")
    assert check(dataset=str(tmp_path / "d.yaml")) == check(*paths)
    with pytest.raises(UsageError, match="--outcomes is missing"):
        check(paths[0])


def test_the_figures_are_those_of_a_run(tmp_path):
    """On logs full of trouble the early join test finds what a whole evaluation reports, notes included."""
    shown, done = troubled_logs.make(6, count=150)
    paths = (
        troubled_logs.write(tmp_path, "exposures", shown, bad=1),
        troubled_logs.write(tmp_path, "outcomes", done, bad=2, cuts=2, pack=".gz"),
    )
    found = check(*paths)
    report = conductor.evaluate(sources.from_options(*paths), EvaluationConfig(metrics=["gini"])).report
    assert (found.quality, found.inputs, found.notes) == (report.data_quality, report.inputs, report.warnings)
    assert (found.reasons, found.sound) == (report.summary.reasons, False)


def test_as_json_holds_everything(logs):
    """The JSON form holds the verdict, the inputs, the faults, the rates and the reasons, and nothing twice."""
    found = check(*logs(lost=2, bad=1))
    document = json.loads(early_join.as_json(found))
    assert list(document) == ["sound", "inputs", "faults", "quality", "reasons", "notes"]
    assert document["sound"] is False
    assert document["quality"]["rates"]["match"] == {"value": 0.9, "numerator": 18, "denominator": 20}
    assert document["quality"]["fates"]["rows"] == 21
    assert [(part["role"], part["rows"], part["invalid"]) for part in document["inputs"]] == [
        ("exposures", 20, 0), ("outcomes", 21, 1),
    ]  # fmt: skip
    assert [fault["line"] for fault in document["faults"]] == [21]
    assert document["reasons"] == found.reasons


def test_nothing_is_left_behind(tmp_path, logs, monkeypatch):
    """What had to be copied is removed, and the logs stay as they were."""
    paths = logs(bad=2)
    before = {path: Path(path).read_bytes() for log in paths for path in log}
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    check(*paths)
    assert list((tmp_path / "temporary").iterdir()) == []
    assert {path: Path(path).read_bytes() for path in before} == before


@given(st.integers(1, 10**9), st.floats(0, 1), st.sampled_from(["share", "all but", "just"]), st.integers(0, 3))
def test_only_a_whole_is_a_hundred_percent(whole, share, kind, few):
    """A rate in percent is right to its last digit, and only all is 100 %, only none 0 %."""
    some = {"share": round(share * whole), "all but": max(whole - few, 0), "just": min(few, whole)}[kind]
    said = percent(Rate(value=some / whole, numerator=some, denominator=whole))
    assert (said == "100.00%") == (some == whole)
    assert (said == "0.00%") == (some == 0)
    assert abs(float(said.rstrip("%").rstrip("…")) - 100 * some / whole) < 0.0101
