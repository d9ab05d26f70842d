"""recsys-eval trace: text and JSON, exit statuses, options, and what it refuses."""

import json

import jsonschema
import pytest

from recsys.contracts import schema as schemas

SNAPSHOT = {
    "schema_version": "snapshot.v1", "tenant_id": "demo", "exported_at": "2026-02-06T00:00:00Z", "service_version": "1",
    "config": [
        {"version": 1, "name": "c1-a", "created_at": "2026-02-01T00:00:00Z", "current": False,
         "document": {"weights": {"pop": 0.7}}},
        {"version": 2, "name": "c2-b", "created_at": "2026-02-05T12:00:00Z", "current": True,
         "document": {"weights": {"pop": 0.1}}},
    ],
}  # fmt: skip


@pytest.fixture
def logs(exposure, outcome, write):
    """Options that name three logs: request 1 with a click, a late one and a row that is not valid."""
    context = {"tenant_id": "demo", "surface": "home", "config_version": "c1-a", "rules_version": "none",
               "experiment_id": "exp", "experiment_variant": "A"}  # fmt: skip
    shown = [exposure(0), exposure(1, context=context)]
    done = [outcome(1), outcome(1, ts="2026-02-05T13:00:00Z"), outcome(1, ts="noon"), outcome(9)]
    assigned = {"experiment_id": "exp", "variant": "A", **{k: shown[1][k] for k in ("request_id", "user_id", "ts")}}
    return [
        "--exposures", write("exposures.jsonl", *shown), "--outcomes", write("outcomes.jsonl", *done),
        "--assignments", write("assignments.jsonl", assigned),
    ]  # fmt: skip


def test_json_is_the_contract(recsys_eval, logs, exposure, tmp_path):
    """Valid under its schema, with every part; a found request exits 0."""
    (tmp_path / "s.json").write_text(json.dumps(SNAPSHOT))
    done = recsys_eval(
        "trace", exposure(1)["request_id"], *logs, "--click-window", "1h", "--snapshot", tmp_path / "s.json",
        "--format", "json",
    )  # fmt: skip
    assert done.status == 0, done.err
    made = json.loads(done.out)
    jsonschema.Draft202012Validator(schemas.build("trace.v1")).validate(made)
    assert made["status"] == "found"
    assert made["policy"]["windows"]["click"] == "3600s"
    assert [row["fate"] for row in made["rows"]] == ["shown", "assigned", "attributed", "after_window", "invalid"]
    assert made["experiments"][0]["agree"] is True
    assert made["applied"]["weights"] == {"pop": 0.7, "cooc": 0.7, "emb": 0.0}
    assert made["applied"]["weights_now"]["pop"] == 0.1
    assert made["inputs"]["outcomes"] == [str(logs[3])]


def test_text_says_it_all_for_a_person(recsys_eval, logs, exposure, tmp_path):
    """Headline, list, experiment, rows with their places, the subject, and what the list was ranked by."""
    (tmp_path / "s.json").write_text(json.dumps(SNAPSHOT))
    request = exposure(1)["request_id"]
    done = recsys_eval("trace", request, *logs, "--click-window", "1h", "--snapshot", tmp_path / "s.json")
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == f"request {request}: a list of 3 items on home; 1 click attributed, 2 outcomes not"
    for words in (
        f"at        {logs[1]}:2 (exposure.v1)",
        "versions  config c1-a, rules none, manifest –, algo –",
        "experiment exp: A in the list; list and assignment agree",
        f"attributed    {logs[3]}:1     click",
        f"after_window  {logs[3]}:2     click",
        f"invalid       {logs[3]}:3     outcome",
        "the same subject, 30 min before and after: nothing else",
        "configuration c1-a: since then c2-b came",
        "rules none: the list was ranked without rules",
        '+    "pop": 0.1',
    ):
        assert any(words in line for line in lines), words
    assert not any(line != line.rstrip() for line in lines)


def test_exit_statuses(recsys_eval_process, logs, outcome):
    """2 where no exposure has the id, be it an orphan's or nobody's; 1 for what is no id."""
    orphan = recsys_eval_process("trace", outcome(9)["request_id"], *logs)
    assert orphan.status == 2
    assert "no valid exposure has this id, only 1 outcome (orphan)" in orphan.out
    unknown = recsys_eval_process("trace", outcome(1)["request_id"].upper(), *logs)
    assert unknown.status == 2
    assert "ids that resemble it" in unknown.out
    assert outcome(1)["request_id"] in unknown.out
    refused = recsys_eval_process("trace", "  ", *logs)
    assert (refused.status, refused.out) == (1, "")
    assert "not a request id" in refused.err


def test_options_of_the_policy_count(recsys_eval, logs, exposure, tmp_path):
    """On the command line and in a YAML, as `join` has them; what is wrong is named."""
    request = exposure(1)["request_id"]

    def fate(*options):
        found = json.loads(recsys_eval("trace", request, *logs, "--format", "json", *options).out)
        return [row["fate"] for row in found["rows"]][3]

    assert fate() == "attributed"
    assert fate("--touch", "first") == "later_touch"
    config = tmp_path / "eval.yaml"
    config.write_text("attribution: {windows: {click: 1h}}\n")
    assert fate("--config", config) == "after_window"
    assert fate("--config", config, "--click-window", "none") == "attributed"
    done = recsys_eval("trace", request, *logs, "--touch", "last")
    assert done.status == 1
    assert "--touch" in done.err


def test_how_far_the_subject_is_followed(recsys_eval, logs, exposure):
    """Not at all with 0s; a duration that is none is refused."""
    request = exposure(1)["request_id"]
    assert "same subject" not in recsys_eval("trace", request, *logs, "--around", "0s").out
    done = recsys_eval("trace", request, *logs, "--around", "soon")
    assert (done.status, done.out) == (1, "")
    assert "--around" in done.err


def test_a_terminal_obeys_nothing_that_is_shown(recsys_eval, exposure, outcome, write, tmp_path):
    """Versions, surfaces and variants are what their log says; escapes and line ends among them are spelt out."""
    evil = "\x1b]0;owned\x07\nfake line\u202e"
    keys = ("surface", "config_version", "rules_version", "release", "experiment_id", "experiment_variant", evil)
    first, second = SNAPSHOT["config"]
    for number, config in enumerate(([{**first, "name": evil}, {**second, "name": f"{evil}2"}], [second])):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps({**SNAPSHOT, "config": config}))
        context = dict.fromkeys(keys, evil) | {"tenant_id": "demo"}
        logs = [
            "--exposures",
            write("e.jsonl", exposure(1, context=context)),
            "--outcomes",
            write("o.jsonl", outcome(1)),
        ]
        done = recsys_eval("trace", exposure(1)["request_id"], *logs, "--snapshot", path)
        assert done.status == 0
        assert "ranked by" in done.out
        assert all(char.isprintable() for line in done.out.split("\n") for char in line)
        assert not any(line.startswith("fake line") for line in done.out.split("\n"))


def test_a_snapshot_that_is_none(recsys_eval, logs, exposure, tmp_path):
    """Is refused before the logs are searched, with how one is made."""
    (tmp_path / "sound.json").write_text(json.dumps(SNAPSHOT))
    unused = recsys_eval("trace", "r-none", *logs, "--snapshot", tmp_path / "sound.json")
    assert "no list that it could explain" in unused.out
    deep = json.dumps({**SNAPSHOT, "rules": [{**SNAPSHOT["config"][0], "document": "deep"}]})
    newer = json.dumps({**SNAPSHOT, "more": 1, "service_version": "7.1"})
    for content, words in (
        (None, "cannot be read"), ("{}", "recsys-service snapshot"), (newer, "it is of version 7.1, and this is"),
        (deep.replace('"deep"', '{"a":' * 200 + "1" + "}" * 200), "rules nested 200 deep"),
        (deep.replace('"deep"', '{"a":' * 10_000 + "1" + "}" * 10_000), "rules nested 200 deep"),
    ):  # fmt: skip
        path = tmp_path / "s.json"
        if content is not None:
            path.write_text(content)
        done = recsys_eval("trace", exposure(1)["request_id"], *logs, "--snapshot", path)
        assert (done.status, done.out) == (1, "")
        assert words in done.err


def test_where_logs_may_come_from(recsys_eval, logs, exposure, tmp_path):
    """A YAML may name them, and one may be standard input; without logs the error names the option."""
    request = exposure(1)["request_id"]
    dataset = tmp_path / "logs.yaml"
    dataset.write_text(f"exposures: {logs[1]}\noutcomes: {logs[3]}\n")
    assert recsys_eval("trace", request, "--dataset", dataset).status == 0
    piped = recsys_eval("trace", request, "--exposures", "-", "--outcomes", logs[3], stdin=logs[1].read_bytes())
    assert (piped.status, "(exposure.v1)" in piped.out) == (0, True)
    done = recsys_eval("trace", request)
    assert done.status == 1
    assert "--exposures is missing" in done.err
