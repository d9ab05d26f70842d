"""recsys-eval run: reports in three formats, exit statuses, and outputs that stay whole."""

import json
import os
from math import log2

import msgspec
import pytest

from recsys.contracts.report import Report


def report_of(path) -> Report:
    """The report, read as strictly as report.v1 is."""
    return msgspec.json.decode(path.read_bytes(), type=Report)


def figure(report: Report, metric: str, key: str = "", value: str = "") -> float | None:
    """The estimate of a metric in a slice."""
    [found] = [one for one in report.results if (one.metric, one.slice_key, one.slice_value) == (metric, key, value)]
    return found.estimate.value


def test_three_reports_at_once(recsys_eval, logs, tmp_path):
    """JSON, Markdown and HTML of one run; stdout is the verdict in one line, stderr silent, exit status 0."""
    paths = [tmp_path / f"report.{suffix}" for suffix in ("json", "md", "html")]
    done = recsys_eval("run", "--mode", "offline", *logs, *[word for path in paths for word in ("--output", path)])
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("pass: 40 exposures to 7 users; 10 outcomes attributed; hitrate@10 0.2500 (95 %")
    assert done.out.count("\n") == 1
    report = report_of(paths[0])
    assert (report.summary.status, report.mode) == ("pass", "offline")
    for metric, expected in {
        "hitrate@10": 10 / 40,
        "precision@10": 10 / 40 / 10,
        "recall@10": 10 / 40,
        "ndcg@10": 10 / 40,
        "mrr@10": 10 / 40,
        "ndcg@10|responded": 1.0,
        "coverage@10": 1.0,
        "novelty@10": log2(3),
        "gini": 0.0,
    }.items():
        assert figure(report, metric) == pytest.approx(expected), metric
    searched = [number for number in range(40) if number % 3 == 0]
    clicked = [number for number in searched if number % 4 == 0]
    assert figure(report, "hitrate@10", "surface", "search") == pytest.approx(len(clicked) / len(searched))
    assert {part.role for part in report.inputs} == {"exposures", "outcomes"}
    markdown, page = paths[1].read_text(), paths[2].read_text()
    assert markdown.startswith("# ")
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert "0.2500" in markdown
    assert "0.2500" in page


def test_the_report_on_stdout(recsys_eval, logs):
    """Without --output the report itself is printed: Markdown, or the format that is asked for, and nothing else."""
    assert recsys_eval("run", *logs).out.startswith("# ")
    done = recsys_eval("run", *logs, "--output-format", "json")
    assert msgspec.json.decode(done.out, type=Report).summary.status == "pass"
    assert done.err == ""


def test_the_format_that_is_given_wins(recsys_eval, logs, tmp_path):
    """--output-format replaces what the suffix says, for every output."""
    names = [tmp_path / "report.html", tmp_path / "report"]
    done = recsys_eval("run", *logs, "--output", names[0], "--output", names[1], "--output-format", "json")
    assert done.status == 0
    assert names[0].read_bytes() == names[1].read_bytes()
    assert report_of(names[1]).summary.status == "pass"


def test_a_hold_still_writes_its_report(recsys_eval_process, logs, outcome, write, tmp_path):
    """A match rate under its minimum: exit status 2, the reason on stderr and in the report, which says hold."""
    write("outcomes.jsonl", *map(outcome, range(0, 400, 4)))
    done = recsys_eval_process("run", *logs, "--output", tmp_path / "report.json")
    assert done.status == 2
    assert done.out.startswith("hold: ")
    assert done.err.startswith("recsys-eval: hold: the match rate is 10.00% (10 of 100 outcomes found their exposure)")
    report = report_of(tmp_path / "report.json")
    assert report.summary.status == "hold"
    assert f"recsys-eval: hold: {report.summary.reasons[0]}\n" == done.err
    config = write("eval.yaml", "attribution: {min_match_rate: 0.1}")
    assert recsys_eval_process("run", *logs, "--config", config).status == 0


@pytest.mark.parametrize("empty", ["exposures", "outcomes"])
def test_empty_data_is_a_hold(recsys_eval, logs, write, tmp_path, empty):
    """An empty log never passes: exit status 2, one reason, a report without made-up figures."""
    write(f"{empty}.jsonl")
    done = recsys_eval("run", *logs, "--output", tmp_path / "report.json")
    assert done.status == 2
    assert done.err.count(f"hold: there is no valid {empty[:-1]}: the log is empty") == 1
    report = report_of(tmp_path / "report.json")
    assert report.summary.status == "hold"
    if empty == "exposures":
        assert {one.estimate.value for one in report.results} == {None}


def test_the_configuration_is_obeyed_and_shown(recsys_eval, logs, write, tmp_path):
    """Metrics, slicing keys and windows of the YAML count, options override it, and the report holds what counted."""
    config = write(
        "eval.yaml", "mode: offline\nslice_keys: [tenant_id]\nattribution: {tolerance: 1m, windows: {click: 5s}}\n"
        "offline: {metrics: [mrr@3, {name: ndcg, k: 2}]}"
    )  # fmt: skip
    done = recsys_eval("run", *logs, "--config", config, "--slice-key", "surface", "--output", tmp_path / "report.json")
    report = report_of(tmp_path / "report.json")
    assert done.status == 0
    assert {one.metric.partition("|")[0] for one in report.results} == {"mrr@3", "ndcg@2"}
    assert {one.slice_key for one in report.results} == {"", "surface"}
    assert report.data_quality.fates.after_window == 10
    assert report.effective_config == {
        "mode": "offline",
        "slice_keys": ["surface"],
        "attribution": {
            "policy": "standard",
            "tolerance": "60s",
            "windows": {"click": "5s", "conversion": None},
            "not_in_list": "refuse",
            "user_mismatch": "count",
            "touch": "every",
            "fallback": "none",
            "min_match_rate": 0.95,
            "max_lost_rate": 0.01,
        },
        "offline": {
            "metrics": ["mrr@3", "ndcg@2"],
            "gates": [],
            "bootstrap": {"level": 0.95},
            "crossed_slices": [],
        },
    }
    assert recsys_eval("run", *logs, "--config", write("empty.yaml")).status == 0


def test_the_catalogue_gives_diversity(recsys_eval, logs, write, tmp_path):
    """With --items coverage is over the catalogue and diversity is known; without it the report says why it is not."""
    items = write("items.jsonl", *[{"item_id": item, "tags": [item], "title": "x"} for item in "abcd"])
    assert recsys_eval("run", *logs, "--items", items, "--output", tmp_path / "with.json").status == 0
    assert recsys_eval("run", *logs, "--output", tmp_path / "without.json").status == 0
    known, unknown = report_of(tmp_path / "with.json"), report_of(tmp_path / "without.json")
    assert figure(known, "coverage@10") == 0.75
    assert figure(known, "intra_list_diversity@10") == pytest.approx(1.0)
    assert figure(unknown, "intra_list_diversity@10") is None
    [note] = {one.estimate.note for one in unknown.results if one.metric == "intra_list_diversity@10"}
    assert "unavailable" in note


def test_outputs_that_cannot_be_written(recsys_eval, logs, write, tmp_path):
    """Each is refused before any work, with its path; a sound output beside it is not written either."""
    (tmp_path / "folder.json").mkdir()
    taken, sound = write("taken", "old"), tmp_path / "sound.json"
    for path, words in {
        taken / "report.json": f"found no such folder). Make {taken}",
        tmp_path / "no" / "report.md": "found no such folder",
        tmp_path / "folder.json": "found a folder",
        tmp_path / "report.pdf": "expected .json, .md, .html",
        tmp_path / "report": "Give --output-format",
        "-": "without --output the report is printed",
    }.items():
        done = recsys_eval("run", *logs, "--output", sound, "--output", path)
        assert (done.status, done.out) == (1, ""), done
        [line] = done.err.splitlines()
        assert line.startswith(f"recsys-eval: {path}: ")
        assert words in line
    assert not sound.exists()
    assert {path.name for path in tmp_path.iterdir()} == {"exposures.jsonl", "outcomes.jsonl", "folder.json", "taken"}


def test_what_is_there_is_replaced_whole(recsys_eval, logs, tmp_path):
    """An older report is replaced, through a link too; a run that fails leaves it; a log is never overwritten."""
    old, link = tmp_path / "old.json", tmp_path / "link.json"
    old.write_text("old " * 100_000)
    link.symlink_to(old)
    assert recsys_eval("run", *logs, "--mode", "ofline", "--output", link).status == 1
    assert old.read_text().startswith("old ")
    assert recsys_eval("run", *logs, "--output", link).status == 0
    assert link.is_symlink()
    assert report_of(old).summary.status == "pass"
    before = logs[1].read_bytes()
    done = recsys_eval("run", *logs, "--output", logs[1], "--output-format", "json")
    assert (done.status, done.out) == (1, "")
    assert done.err == f"recsys-eval: {logs[1]}: it would overwrite what is read. Name another --output.\n"
    assert logs[1].read_bytes() == before


def test_a_pipe_stays_a_pipe(recsys_eval, logs, tmp_path):
    """What is no plain file, such as a device, is written and never replaced: root's /dev/null would be gone."""
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert recsys_eval("run", *logs, "--output", pipe).status == 0
    assert json.loads(os.read(reader, 1 << 20))["schema_version"] == "report.v1"
    os.close(reader)
    assert pipe.is_fifo()


def test_usage_errors_exit_1(in_turn, logs):
    """Never 2, which means hold: one line that names the option and what would be right."""
    cases = {
        (): "--exposures is missing (expected --exposures F --outcomes F, or --dataset D.yaml)",
        (*logs, "--mode", "ofline"): "Did you mean 'offline'?",
        (*logs, "--mode", "ope"): "not available in this version",
        (*logs, "--output-format", "xml"): "Known: html, json, markdown",
        (*logs, "--slice-key", ""): "not a usable slice key",
        (*logs, "--ouput", "x.json"): "Try `recsys-eval run --help`",
        (*logs, "more.jsonl"): "unexpected extra argument",
        (*logs, "--base", "b.json"): "No such option",
    }
    for done, told in zip(in_turn(*[["run", *words] for words in cases]), cases.values(), strict=True):
        assert (done.status, done.out) == (1, ""), told
        assert len(done.err.splitlines()) == 1
        assert told in done.err


def test_values_of_a_log_are_no_markup_in_markdown(recsys_eval, exposure, outcome, write):
    """A slice value stands in its table as code, where it can load no picture, call nobody and add no column."""
    values = ["![x](http://localhost/p.png)", "@all *x*", "a|b", "`c` ``d``", "", "\x1b[2J", "e\nf"]
    shown = [exposure(n, context={"tenant_id": "demo", "surface": value}) for n, value in enumerate(values)]
    logs = ["--exposures", write("e.jsonl", *shown), "--outcomes", write("o.jsonl", outcome(0))]
    markdown = recsys_eval("run", *logs).out
    table = markdown.split("## By surface")[1].split("##")[0]
    cells = [line.split(" | ")[0].removeprefix("| ") for line in table.splitlines() if line.startswith("| ")][2:]
    assert sorted(cells) == sorted(
        [
            "`![x](http://localhost/p.png)`", "`@all *x*`", r"`a\|b`", "``` `c` ``d`` ```", "`(empty)`", r"`\x1b[2J`",
            r"`e\nf`",
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("ts", "day", "hour"),
    [
        ("1970-01-01T00:30:00+14:00", "1969-12-31", "1969-12-31T10:00:00Z"),
        ("1969-12-31T23:59:59.999999-00:00", None, None),
        ("1970-01-01T00:00:00Z", "1970-01-01", "1970-01-01T00:00:00Z"),
        ("2200-12-31T23:59:59-01:00", "2201-01-01", "2201-01-01T00:00:00Z"),
    ],
)
def test_days_and_hours_at_the_ends_of_time(recsys_eval, exposure, outcome, write, ts, day, hour):
    """An instant belongs to its own day and hour of UTC, also where it lies before 1970; earlier years are invalid."""
    logs = ["--exposures", write("e.jsonl", exposure(0, ts=ts)), "--outcomes", write("o.jsonl", outcome(0, ts=ts))]
    report = json.loads(recsys_eval("run", *logs, "--output-format", "json").out)
    days = [part["value"] for part in report["data_quality"]["by"] if part["key"] == "day"]
    hours = [point["hour"] for point in report["hours"]]
    assert (days, hours) == (([day], [hour]) if day else (["unknown"], []))
