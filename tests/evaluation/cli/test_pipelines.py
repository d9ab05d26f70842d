"""What pipelines use: baseline and gates with their exit statuses, compare, history, CI outputs."""

from concurrent.futures import ThreadPoolExecutor
from xml.etree import ElementTree

import msgspec
import pytest

from offline_worlds import made, written
from recsys.contracts.history import RunHistory
from recsys.contracts.report_comparison import ReportComparison

CONFIG = """
slice_keys: [surface, device]
offline:
  metrics: [hitrate@10, gini]
  crossed_slices: [[surface, device]]
  gates:
    - {metric: hitrate@10, max_drop: 0.02}
    - {metric: hitrate@10, max_drop: 0.05, slice_key: surface}
    - {metric: gini, max_drop: 0}
"""


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    """Options of the logs before and after a release that lost clicks at home."""
    folder = tmp_path_factory.mktemp("worlds")
    rows = made(900)
    worse = [{**row, "clicked": [] if row["surface"] == "home" else row["clicked"]} for row in rows]
    return written(folder / "before", rows), written(folder / "after", worse)


def test_a_release_is_gated_against_a_baseline(recsys_eval, worlds, write, tmp_path):
    """First run without gates; the same logs pass, exit 0; worse ones fail, exit 3, with JUnit and a step summary; all
    are in the history; compare tells the change."""
    config, plain = write("eval.yaml", CONFIG), write("plain.yaml", CONFIG.split("  gates:")[0])
    runs, junit, summary = tmp_path / "runs", tmp_path / "junit.xml", tmp_path / "summary.md"
    base, after = tmp_path / "base.json", tmp_path / "after.json"
    assert recsys_eval("run", *worlds[0], "--config", plain, "--output", base, "--history", runs).status == 0
    same = recsys_eval("run", *worlds[0], "--config", config, "--baseline", base, "--output", tmp_path / "same.json")
    assert (same.status, same.err.count("\n")) == (0, 1)  # a note on exposures without a device
    assert same.out.rstrip().endswith("Of 4 gates 4 passed.")
    done = recsys_eval(
        "run", *worlds[1], "--config", config, "--baseline", base, "--output", after, "--history", runs,
        "--junit", junit, "--step-summary", summary,
    )  # fmt: skip
    assert done.status == 3
    assert done.out.startswith("fail: ")
    assert "fail: gate: hitrate@10 in surface home may drop by 0.05; from -0." in done.err
    suite = ElementTree.parse(junit).getroot()[0]
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("5", "2", "0")
    assert summary.read_text().startswith("# Offline evaluation\n\n**FAIL")
    past = recsys_eval("history", runs, "--output-format", "json")
    assert [run.status for run in msgspec.json.decode(past.out, type=RunHistory).runs] == ["pass", "fail"]
    told = recsys_eval("compare", base, after, "--output", tmp_path / "c.json", "--output", tmp_path / "c.html")
    assert (told.status, told.err) == (0, "")
    assert told.out.startswith("paired: the same requests; ")
    comparison = msgspec.json.decode((tmp_path / "c.json").read_bytes(), type=ReportComparison)
    assert comparison.changes[0].change.high < -0.1
    assert recsys_eval("compare", base, base).out.startswith("# Two runs compared\n\n**the same logs")


def test_a_gate_that_is_not_decided_exits_2(recsys_eval, worlds, write, tmp_path):
    """A bound in the middle of the interval: hold, exit 2; and the reason."""
    base, after = tmp_path / "base.json", tmp_path / "after.json"
    plain = write("plain.yaml", "offline: {metrics: [hitrate@10]}")
    for logs, path in zip(worlds, (base, after), strict=True):
        assert recsys_eval("run", *logs, "--config", plain, "--output", path).status == 0
    told = recsys_eval("compare", base, after, "--output-format", "json").out
    drop = -msgspec.json.decode(told, type=ReportComparison).changes[0].change.value
    gate = f"{{metric: hitrate@10, max_drop: {drop}}}"
    config = write("eval.yaml", f"offline: {{metrics: [hitrate@10], gates: [{gate}]}}")
    done = recsys_eval("run", *worlds[1], "--config", config, "--baseline", base, "--output", after)
    assert (done.status, done.err.count("hold: gate: hitrate@10 may drop by ")) == (2, 1)
    assert "it may or may not be a drop" in done.err


def test_what_cannot_be_judged_exits_1(in_turn, worlds, write, tmp_path):
    """Gates without a baseline, a baseline that is none, one of another mode, a baseline that would be overwritten,
    and a step summary without a file: one line, status 1, nothing written."""
    config = write("eval.yaml", CONFIG)
    other, out = write("other.json", "{}"), tmp_path / "out.json"
    base = ["run", *worlds[0], "--config", config]
    cases = {
        "gates need a baseline": [*base, "--output", out],
        "not a report": [*base, "--baseline", other, "--output", out],
        "it would overwrite what is read": [*base, "--baseline", other, "--output", other],
        "no GITHUB_STEP_SUMMARY": [*base, "--step-summary", "env"],
        "only an offline run has a baseline": [*base, "--mode", "experiment", "--baseline", other],
        "cannot be read": ["compare", tmp_path / "none.json", other],
        "report.v1": ["compare", other, other],
        "it is sliced by no such key": [*base, "--slice-key", "device"],
        "no such mode": ["history", tmp_path, "--mode", "ofline"],
    }
    for done, told in zip(in_turn(*cases.values()), cases, strict=True):
        assert (done.status, done.out, told in done.err) == (1, "", True), done
        assert done.err.count("\n") == 1
    assert not out.exists()


def test_reports_with_nothing_to_compare_exit_2(recsys_eval, worlds, write, tmp_path):
    """One metric each, and not the same one."""
    for name, metric in (("a", "hitrate@10"), ("b", "mrr@5")):
        config = write(f"{name}.yaml", f"offline: {{metrics: [{metric}]}}")
        assert recsys_eval("run", *worlds[0], "--config", config, "--output", tmp_path / f"{name}.json").status == 0
    done = recsys_eval("compare", tmp_path / "a.json", tmp_path / "b.json")
    assert done.status == 2
    assert "no figure of the two reports can be compared" in done.err


def test_two_runs_at_once_keep_both_reports(recsys_eval_process, worlds, tmp_path):
    """A history that two runs write to at the same time has both, whole."""
    runs = tmp_path / "deep" / "runs"
    words = ["run", *worlds[0], "--history", runs, "--output-format", "json"]
    with ThreadPoolExecutor(2) as both:
        for done in both.map(lambda _: recsys_eval_process(*words), range(2)):
            assert done.status == 0
    assert len(list(runs.iterdir())) == 2


def test_no_output_destroys_what_is_read_kept_or_written(in_turn, worlds, write, tmp_path):
    """Onto the baseline, the YAMLs, a log of the YAML, another output, a report of the history, or where no folder is:
    refused before anything runs, by the option that names it; every file stays, and no folder is made."""
    config, base = write("eval.yaml", CONFIG), write("base.json", "{}")
    log = write("one.jsonl", "{}")
    dataset = write("logs.yaml", f"exposures: {{type: jsonl, path: {log}}}", f"outcomes: {{type: jsonl, path: {log}}}")
    kept, runs = tmp_path / "kept", tmp_path / "runs"
    kept.mkdir()
    (kept / "run.json").write_text("{}")
    link = tmp_path / "link.json"
    link.symlink_to(base)
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    run, reads = ["run", *worlds[0], "--config", config], "it would overwrite what is read"
    x = tmp_path / "x.json"
    cases = [
        ([*run, "--baseline", base, "--step-summary", base], reads, "another --step-summary"),
        ([*run, "--baseline", base, "--output", link], reads, "another --output"),
        ([*run, "--junit", config], reads, "another --junit"),
        ([*run, "--output", config, "--output-format", "json"], reads, "another --output"),
        (["run", "--dataset", dataset, "--junit", dataset], reads, "another --junit"),
        (["run", "--dataset", dataset, "--junit", log], reads, "another --junit"),
        ([*run, "--output", x, "--junit", x], "--output and --junit name one file", "another --junit"),
        ([*run, "--output", x, "--output", tmp_path / "kept" / ".." / "x.json"], "name one file", "another --output"),
        ([*run, "--junit", tmp_path / "nope" / "x"], "no such folder", "another --junit"),
        ([*run, "--history", kept, "--output", kept / "run.json"], "in the folder of the history", "another --output"),
        (["history", kept, "--output", kept / "run.json"], "in the folder of the history", "another --output"),
        ([*run, "--history", runs, "--baseline", base], "not a report", ""),
        (["compare", base, base, "--output", link], reads, "another --output"),
    ]
    for done, (words, told, hint) in zip(in_turn(*[words for words, *_ in cases]), cases, strict=True):
        assert (done.status, told in done.err, hint in done.err) == (1, True, True), (words, done)
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
    assert (kept / "run.json").read_text() == "{}"
    assert not runs.exists()


def test_a_folder_without_runs_exits_2(in_turn, tmp_path):
    """With a word, and the list that it asked for."""
    for done in in_turn(["history", tmp_path], ["history", tmp_path, "--mode", "offline"]):
        assert (done.status, "holds no run" in done.err) == (2, True)
