"""``run --moments``, ``--shard`` and ``--from-moments``: files, exit statuses, and what is refused."""

import json

import msgspec
import pytest

import ab_logs
from ab_logs import World
from recsys.contracts.moments import Moments

SETTINGS = """\
mode: experiment
slice_keys: [surface]
experiment:
  control_variant: A
  candidate_variant: B
  revenue_cap: 300
  bootstrap: {buckets: 16}
"""


@pytest.fixture
def logs(tmp_path):
    """Options that name the logs of an experiment with 600 users."""
    ab_logs.write(ab_logs.logs(World(users=600).but(B={"click": 0.8})), tmp_path / "logs")
    return [word for role in ("exposures", "outcomes", "assignments")
            for word in (f"--{role}", tmp_path / "logs" / f"{role}-0.jsonl")]  # fmt: skip


@pytest.fixture
def settings(write):
    return write("eval.yaml", SETTINGS)


def decision(path):
    """The decision of a report, without when and of what it was made."""
    (candidate,) = json.loads(path.read_text())["experiment"]["candidates"]
    return {**candidate["decision"], "created_at": ""}


def test_parts_and_the_whole_as_commands(recsys_eval, logs, settings, tmp_path):
    """Two parts are cut and merged without any log: the decision of the whole, and its status."""
    whole = recsys_eval("run", "--config", settings, *logs, "--output", tmp_path / "whole.json")
    paths = [tmp_path / f"part-{part}.json" for part in (1, 2)]
    for part, path in enumerate(paths, 1):
        done = recsys_eval("run", "--config", settings, *logs, "--shard", f"{part}/2", "--moments", path,
                           "--output", tmp_path / f"report-{part}.json")  # fmt: skip
        assert done.status in (0, 2), done.err
        assert msgspec.json.decode(path.read_bytes(), type=Moments).shard.part == part
        told = json.loads((tmp_path / f"report-{part}.json").read_text())["experiment"]["shards"]
        assert told == [f"{part} of 2"]
    merging = [word for path in paths for word in ("--from-moments", path)]
    done = recsys_eval("run", *merging, "--output", tmp_path / "merged.json", "--output", tmp_path / "merged.html")
    assert (done.status, done.out.splitlines()[0]) == (whole.status, whole.out.splitlines()[0])
    expected, found = decision(tmp_path / "whole.json"), decision(tmp_path / "merged.json")
    assert found["metrics"] == expected["metrics"]
    assert found["inputs_sha256"] == expected["inputs_sha256"]
    assert "Coverage, Gini and novelty" in done.err
    assert len(json.loads((tmp_path / "merged.json").read_text())["experiment"]["shards"]) == 2
    alone = recsys_eval("run", "--from-moments", paths[1])
    assert (alone.status, alone.out) == (1, "")
    assert "1 of 2 parts are missing" in alone.err
    assert "Give part 1 too" in alone.err


def test_options_without_use_are_refused(recsys_eval, logs, settings, write, tmp_path):
    """Beside moments nothing that only logs have, and no setting that contradicts them; elsewhere no moments."""
    path = tmp_path / "m.json"
    assert recsys_eval("run", "--config", settings, *logs, "--moments", path, "--output", tmp_path / "r.md").status != 1
    for words, told in (
        (["--exposures", logs[1]], "--from-moments and --exposures together"),
        (["--slice-key", "device"], "--from-moments and --slice-key together"),
        (["--threads", "2"], "--from-moments and --threads together"),
        (["--mode", "offline"], "made with another mode"),
        (["--control", "B"], "arm is named twice"),
        (["--as-of", "2026-01-10T00:00:00Z"], "made with another experiment.as_of"),
        (["--config", write("other.yaml", SETTINGS.replace("300", "400"))], "another experiment.revenue_cap"),
    ):
        done = recsys_eval("run", "--from-moments", path, *words)
        assert done.status == 1, words
        assert told in done.err
    same = recsys_eval("run", "--from-moments", path, "--config", settings, "--mode", "experiment", "--control", "A")
    assert same.status != 1, same.err
    for mode in ("offline", "aa-check"):
        done = recsys_eval("run", "--mode", mode, *logs, "--shard", "1/2")
        assert (done.status, done.err.count("--shard is about an experiment")) == (1, 1)
    bad = recsys_eval("run", "--config", settings, *logs, "--shard", "3/2")
    assert "--shard: not a part" in bad.err


def test_a_small_arm_leaves_no_file(recsys_eval, write, settings, exposure, outcome, tmp_path):
    """An arm of three users: the command fails by its name, and nothing is written."""
    keys = ("request_id", "user_id", "ts")
    shown = [exposure(number, user_id=f"u{number}") for number in range(23)]
    assigned = [{"experiment_id": "x", "variant": "A" if number < 20 else "B", **{key: row[key] for key in keys}}
                for number, row in enumerate(shown)]  # fmt: skip
    logs = ("--exposures", write("e.jsonl", *shown), "--outcomes", write("o.jsonl", outcome(1, user_id="u1")),
            "--assignments", write("a.jsonl", *assigned))  # fmt: skip
    done = recsys_eval("run", "--config", settings, *logs, "--moments", tmp_path / "m.json",
                       "--output", tmp_path / "r.json")  # fmt: skip
    assert done.status == 1
    assert "arm B: an arm has too few users for moments (found 3" in done.err
    assert not (tmp_path / "m.json").exists()
    assert not (tmp_path / "r.json").exists()


def test_the_schema_is_printed(recsys_eval):
    """``schema moments.v1``."""
    done = recsys_eval("schema", "moments.v1")
    assert json.loads(done.out)["$id"] == "urn:recsys:moments.v1"
