"""The program on Spark: the same report, as quiet as ever, and nothing left behind however it ends."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

import spark_here
import troubled_logs

PROGRAM = Path(sys.executable).with_name("recsys-eval")
LIMIT_S = 600
SPARK = ["--engine", "spark", "--master", "local[2]", "--memory-limit", "1GB"]
CONFIG = """
slice_keys: [tenant_id, surface]
attribution: {min_match_rate: 0.9, windows: {click: 30s}, touch: first, fallback: user_item, credit: all,
  fallback_window: 1h}
offline:
  metrics: [hitrate@3, precision@3, recall@5, ndcg@3, ndcg@10, map@10, mrr@10, coverage@3, novelty@10, gini,
    intra_list_diversity@4]
"""

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


@pytest.fixture
def program(tmp_path):
    """Start the program; at the end nothing is left of what it had, neither files nor processes."""
    spark_here.required()
    scratch = tmp_path / "it's a [tmp]"
    scratch.mkdir()
    started = []

    def start(*words):
        env = os.environ | {"TMPDIR": str(scratch)}
        pipe = subprocess.PIPE
        started.append(subprocess.Popen([PROGRAM, *map(str, words)], stdout=pipe, stderr=pipe, env=env, text=True))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()
    assert list(scratch.iterdir()) == []
    assert not [
        each for each in psutil.process_iter(["cmdline"]) if str(scratch) in " ".join(each.info["cmdline"] or [])
    ]


def logs(folder):
    """Options that name logs full of trouble, one outcome of which is no valid line, and a catalogue with tags."""
    shown, done = troubled_logs.make(5, 400)
    [items] = troubled_logs.write(folder, "items", troubled_logs.CATALOGUE)
    files = (
        troubled_logs.write(folder, "exposures", shown, cuts=3, pack=".gz"),
        troubled_logs.write(folder, "outcomes", done, cuts=2, bad=1),
    )
    named = [word for role, paths in zip(("--exposures", "--outcomes"), files, strict=True) for path in paths
             for word in (role, path)]  # fmt: skip
    return [*named, "--items", items]


def near(one, other, path="report"):
    """AssertionError names where two documents differ by more than 1e-9 of what stands there."""
    if isinstance(one, dict) and isinstance(other, dict):
        assert list(one) == list(other), path
        for key in one:
            near(one[key], other[key], f"{path}.{key}")
    elif isinstance(one, list) and isinstance(other, list):
        assert len(one) == len(other), path
        for place, parts in enumerate(zip(one, other, strict=True)):
            near(*parts, f"{path}[{place}]")
    elif isinstance(one, float) and isinstance(other, float):
        assert math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12), (path, one, other)
    else:
        assert one == other, (path, one, other)


def test_the_report_is_that_of_duckdb(program, tmp_path, tell):
    """All counts, rates, metrics and intervals are the same, and so is all that is said."""
    (tmp_path / "eval.yaml").write_text(CONFIG)
    words = ["run", *logs(tmp_path), "--config", tmp_path / "eval.yaml", "--output"]
    both = [program(*words, tmp_path / "duckdb.json"), program(*words, tmp_path / "spark.json", *SPARK)]
    told = [process.communicate(timeout=LIMIT_S) for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert told[0] == told[1]
    reports = [json.loads((tmp_path / f"{name}.json").read_text()) for name in ("duckdb", "spark")]
    for report in reports:
        del report["run_id"], report["created_at"]
    near(*reports)
    names = {
        result["metric"].split("@")[0] for result in reports[0]["results"] if result["estimate"]["value"] is not None
    }
    assert names >= {"hitrate", "precision", "recall", "ndcg", "map", "mrr", "coverage", "novelty", "gini",
                     "intra_list_diversity"}  # fmt: skip
    tell("to the last bit" if reports[0] == reports[1] else "to 1e-9")


def test_a_master_that_is_none_is_told(program, tmp_path):
    """The error says what Spark says of it, and what a master looks like."""
    process = program("join", *logs(tmp_path)[:-2], "--engine", "spark", "--master", "nonsense")
    out, err = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, out) == (1, "")
    assert (
        "--master nonsense: Spark did not start (found Master must either be yarn or start with spark, k8s, or local"
        in err
    )
    assert "such as local[2]" in err
    assert err.count("\n") <= 3


def test_ended_while_spark_runs(program, tmp_path):
    """Ctrl-C, for which Spark has a handler of its own, ends both: status 130, not a word, no process and no file."""
    process = program("run", *logs(tmp_path), *SPARK)
    ends = time.monotonic() + LIMIT_S
    while not list(tmp_path.glob("it's a*/*/spark-staged_exposures-*")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < ends
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, out) == (130, "")
    assert [line for line in err.splitlines() if "invalid" not in line] == []
