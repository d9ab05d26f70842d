"""Evaluation and dataset YAML with mistakes: the file, the key, what was found, and the nearest that is known."""

import pytest

CONFIGS = {
    "offlin: {}": "unknown key (found 'offlin'). Did you mean 'offline'?",
    "offline: {metric: [mrr]}": "offline: unknown key (found 'metric'). Did you mean 'metrics'?",
    "offline: {metrics: [ndgc@10]}": "offline.metrics[0]: no such metric (found 'ndgc@10'). Did you mean 'ndcg'?",
    "mode: offline\nmode: offline": ":2:1: not valid YAML (found the key 'mode' is given twice)",
    "mode: [offline\nslice_keys: }": ":2:11: not valid YAML (found expected ',' or ']'",
    "just words": "not a configuration (found text; expected a mapping)",
    "mode: !!bool maybe": "not valid YAML",
    "mode: ope": "mode: not available in this version (found ope; expected offline, experiment, aa-check)",
    "attribution: {windows: {click: soon}}": "not a duration (found 'soon'; expected a duration such as 500ms, 5s",
    b"mode: \xff": "not valid YAML (found unacceptable character #x00ff",
}
DATASETS = {
    "": "a log is missing (expected exposures: {type: jsonl, path: …})",
    "exposure: e.jsonl\noutcomes: o.jsonl": "unknown key (found 'exposure'). Did you mean 'exposures'?",
    "exposures: {type: json, path: e}\noutcomes: o": "unknown type (found 'json'). Did you mean 'jsonl'?",
    "exposures: {type: postgres, path: e}\noutcomes: o": "unknown key (found 'path'). Known: dsn, query, type.",
    "exposures: e.jsonl\nexposures: e.jsonl\noutcomes: o": ":2:1: not valid YAML (found the key 'exposures' is given",
    "exposures: gone.jsonl\noutcomes: gone.jsonl": "gone.jsonl: no such file",
}


@pytest.mark.parametrize("text", CONFIGS)
def test_an_evaluation_yaml_with_a_mistake(recsys_eval, logs, write, tmp_path, text):
    """One line on stderr, exit status 1, no report: a misspelt key or metric never passes."""
    config = write("eval.yaml", text)
    done = recsys_eval("run", *logs, "--config", config, "--output", tmp_path / "report.json")
    assert (done.status, done.out) == (1, "")
    [line] = done.err.splitlines()
    assert line.startswith(f"recsys-eval: {config}")
    assert CONFIGS[text] in line
    assert not (tmp_path / "report.json").exists()


@pytest.mark.parametrize("text", DATASETS)
def test_a_dataset_yaml_with_a_mistake(recsys_eval, write, tmp_path, text):
    """The same for the file that names the logs."""
    done = recsys_eval("join", "--dataset", write("logs.yaml", text))
    assert (done.status, done.out) == (1, "")
    [line] = done.err.splitlines()
    assert line.startswith(f"recsys-eval: {tmp_path}")
    assert DATASETS[text] in line


def test_yaml_that_cannot_be_read(recsys_eval, logs, tmp_path):
    """A missing file and a folder."""
    for path, told in {tmp_path / "gone.yaml": "No such file", tmp_path: "Is a directory"}.items():
        done = recsys_eval("run", *logs, "--config", path)
        assert (done.status, done.out) == (1, "")
        assert done.err.startswith(f"recsys-eval: {path}: cannot be read (found {told}")
