"""Where the logs are: by options or by a dataset YAML, in any place and packing, and what a mistake in it is told."""

import gzip
import hashlib
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from recsys.attribution import sources
from recsys.attribution.named import Source
from recsys.attribution.sources import Dataset
from recsys.errors import ConfigError, InputError, UsageError

EXPOSURE = {"request_id": "r1", "user_id": "u", "ts": "2026-02-05T10:00:00Z", "items": []}
OUTCOME = {"request_id": "r1", "user_id": "u", "item_id": "a", "event_type": "click", "ts": "2026-02-05T10:00:05Z"}
ASSIGNMENT = {"experiment_id": "x", "variant": "A", "request_id": "r1", "user_id": "u", "ts": "2026-02-05T10:00:00Z"}


def written(folder, text):
    path = folder / "dataset.yaml"
    path.write_text(text)
    return str(path)


def read(folder, text):
    return sources.read(written(folder, text))


def lines(*rows) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def test_a_dataset_names_its_logs_relative_to_itself(tmp_path, monkeypatch):
    """Relative paths are relative to the YAML and not to where the program runs; absolute ones stay as they are."""
    (tmp_path / "config").mkdir()
    monkeypatch.chdir(tmp_path)
    text = """
        exposures: {type: jsonl, path: ../logs/exposure-*.jsonl}
        outcomes: {type: parquet, path: [o/1.parquet, /data/2.parquet]}
        assignments: {path: a.jsonl.gz}
        items: items.jsonl
    """
    path = tmp_path / "config" / "d.yaml"
    path.write_text(text)
    for spelled, base in ((str(path), f"{tmp_path}/config"), ("config/d.yaml", "config")):
        found = sources.read(spelled)
        assert found == Dataset(
            exposures=Source("jsonl", [f"{base}/../logs/exposure-*.jsonl"]),
            outcomes=Source("parquet", [f"{base}/o/1.parquet", "/data/2.parquet"]),
            assignments=Source("jsonl", [f"{base}/a.jsonl.gz"]),
            items=f"{base}/items.jsonl",
        )


def test_the_folder_of_a_dataset_is_no_pattern(tmp_path):
    """A glob in a dataset is one, and the brackets in the name of the folder that the dataset is in are not."""
    for name in ("exp[1]", "exp1"):
        (tmp_path / name / "logs").mkdir(parents=True)
        (tmp_path / name / "logs" / "e[2].jsonl").write_bytes(lines(EXPOSURE))
        (tmp_path / name / "o.jsonl").write_bytes(lines(OUTCOME))
    base = tmp_path / "exp[1]"
    for spec in ("logs/*.jsonl", "logs/e[2].jsonl", f"{tmp_path}/exp[[]1]/logs/*"):
        found = read(base, f"exposures: {{path: {json.dumps(spec)}}}\noutcomes: {{path: o.jsonl}}\n")
        accepted = sources.accept_dataset(found, tmp_path)
        assert [part.path for part in accepted.inputs] == [f"{base}/logs/e[2].jsonl", f"{base}/o.jsonl"], spec


def test_a_log_may_be_a_path_alone(tmp_path):
    """Without a type it follows from the name, or from what a folder holds."""
    (tmp_path / "shown").mkdir()
    (tmp_path / "done").mkdir()
    (tmp_path / "done" / "1.parquet").touch()
    found = read(tmp_path, "exposures: shown\noutcomes: done\nassignments: a.parquet\n")
    assert found.assignments is not None
    assert [source.kind for source in (found.exposures, found.outcomes, found.assignments)] == [
        "jsonl", "parquet", "parquet",
    ]  # fmt: skip
    assert found.items is None


GOOD = "exposures: e.jsonl\noutcomes: o.jsonl\n"
MISTAKES = [
    ("", "", "a log is missing (expected exposures: {type: jsonl, path: …})"),
    ("exposures: e.jsonl\n", "", "a log is missing (expected outcomes: {type: jsonl, path: …})"),
    (GOOD + "exposure: e.jsonl\n", "", "unknown key (found 'exposure'). Did you mean 'exposures'?"),
    (GOOD + "assignment: a.jsonl\n", "", "unknown key (found 'assignment'). Did you mean 'assignments'?"),
    (GOOD + "catalogue: i\n", "", "unknown key (found 'catalogue'). Known: assignments, exposures, items, outcomes."),
    (GOOD + "interleaving: {}\n", "", "not available in this version (found 'interleaving')."),
    (GOOD + "exposures: f.jsonl\n", ":3:1", "not valid YAML (found the key 'exposures' is given twice)"),
    (GOOD + "items: [i.jsonl]\n", ": items", "not a path (found a list; expected a path)"),
    (GOOD + "assignments:\n", ": assignments", "not a log (found nothing; expected {type: …, path: …})"),
    (GOOD + "assignments: [a.jsonl]\n", ": assignments", "not a log (found a list;"),
    (GOOD + "assignments: {}\n", ": assignments", "the path is missing"),
    (GOOD + "assignments: {type: jsonl}\n", ": assignments", "the path is missing"),
    (GOOD + "assignments: {path: []}\n", ": assignments.path", "the path is missing (found an empty list;"),
    (GOOD + "assignments: {path: 5}\n", ": assignments.path", "not a list of words (found 5;"),
    (GOOD + "assignments: {path: ''}\n", ": assignments.path", "not a list of words (found '';"),
    (GOOD + "assignments: {path: a, typ: jsonl}\n", ": assignments", "unknown key (found 'typ'). Did you mean 'type'?"),
    (GOOD + "assignments: {paths: a}\n", ": assignments", "unknown key (found 'paths'). Did you mean 'path'?"),
    (GOOD + "assignments: {dsn: a}\n", ": assignments", "the type is missing (expected type: postgres)"),
    (GOOD + "assignments: {path: a, query: b}\n", ": assignments", "the type is missing (expected type: duckdb)"),
    (GOOD + "assignments: {path: a, type: jsnl}\n", ": assignments.type", "(found 'jsnl'). Did you mean 'jsonl'?"),
    (GOOD + "assignments: {path: a, type: Parquet}\n", ": assignments.type", "Did you mean 'parquet'?"),
    (GOOD + "assignments: {path: a, type: postgresql}\n", ": assignments.type", "Did you mean 'postgres'?"),
    (GOOD + "assignments: {path: a, type: 5}\n", ": assignments.type", "(found 5). Known: duckdb, jsonl, parquet, pos"),
    (GOOD + "assignments: {path: a, type: [jsonl]}\n", ": assignments.type", "unknown type"),
    (GOOD + "assignments: {type: jsonl, path: a, query: b}\n", ": assignments", "(found 'query'). Known: path, type."),
    (GOOD + "assignments: {type: duckdb, pth: a, query: b}\n", ": assignments", "(found 'pth'). Did you mean 'path'?"),
    (GOOD + "assignments: {type: duckdb, query: b}\n", ": assignments", "the path is missing"),
    (GOOD + "assignments: {type: duckdb, path: a}\n", ": assignments.query", "the query is missing (found nothing;"),
    (GOOD + "assignments: {type: duckdb, path: a, query: ' '}\n", ": assignments.query", "(found nothing; expe"),
    (GOOD + "assignments: {type: duckdb, path: [a, b], query: c}\n", ": assignments.path", "(found 2 files; expected "),
    (GOOD + "assignments: {type: duckdb, path: s3://a/b, query: c}\n", ": assignments.path", "(found a URL; expected "),
    (GOOD + "assignments: {type: postgres, path: a}\n", ": assignments", "(found 'path'). Known: dsn, query, type."),
    (GOOD + "assignments: {type: postgres, dns: a}\n", ": assignments", "(found 'dns'). Did you mean 'dsn'?"),
    (GOOD + "assignments: {type: postgres, dsn: a}\n", ": assignments.query", "the query is missing (found nothing;"),
    (GOOD + "assignments: {type: postgres, dsn: a, query: [b]}\n", ": assignments.query", "(found a list; expected"),
    (GOOD + "assignments: {type: postgres, query: b}\n", ": assignments.dsn", "(found nothing; expected ${NAME}, a"),
    (GOOD + "assignments: {type: postgres, query: b, dsn: 5}\n", ": assignments.dsn", "the dsn is missing (found a "),
    (GOOD + "assignments: {type: postgres, query: b, dsn: '${RS_NOT_SET}'}\n", ": assignments.dsn",
     "the environment variable RS_NOT_SET is not set. Set it in the environment of this command"),
    (GOOD + "assignments: {type: postgres, query: b, dsn: 'a${RS-NO}b'}\n", ": assignments.dsn", "not a variable (exp"),
    (GOOD + "assignments: {type: postgres, query: b, dsn: 'a${RS'}\n", ": assignments.dsn", "not a variable (expected"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "place", "message"), MISTAKES)
def test_a_mistake_in_a_dataset_is_named(tmp_path, text, place, message):
    """Each mistake is one ConfigError with the file, the place in it, what was found, and the nearest known word."""
    with pytest.raises(ConfigError) as refused:
        read(tmp_path, text)
    assert refused.value.where == f"{tmp_path / 'dataset.yaml'}{place}"
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_options_name_the_logs_or_the_dataset_does(tmp_path):
    """Both logs must be named, by options or by a dataset and not by both; --items goes with either and comes first."""
    path = written(tmp_path, GOOD + "items: i.jsonl\n")
    for shown, done, assigned, dataset, message in (
        (None, ["o"], None, None, "--exposures is missing"),
        (["e"], None, None, None, "--outcomes is missing"),
        ([], [], None, None, "--exposures is missing"),
        (None, None, ["a"], None, "--exposures is missing"),
        (["e"], None, None, path, "--dataset names the logs, and so do the other options"),
        (None, None, ["a"], path, "--dataset names the logs, and so do the other options"),
    ):
        with pytest.raises(UsageError, match=message):
            sources.from_options(shown, done, assigned, dataset)
    assert sources.from_options(None, None, dataset=path) == sources.read(path)
    assert sources.from_options(None, None, dataset=path, items="mine").items == "mine"
    assert sources.from_options(["e", "f"], ["o"], ["a"], items="i") == Dataset(
        exposures=Source("jsonl", ["e", "f"]),
        outcomes=Source("jsonl", ["o"]),
        assignments=Source("jsonl", ["a"]),
        items="i",
    )


def test_what_was_read_is_accounted_for(tmp_path):
    """Inputs are listed by role in a fixed order, each with rows, bad rows, size and hash; faults by file and line."""
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "1.jsonl").write_bytes(lines(EXPOSURE, EXPOSURE))
    (tmp_path / "e" / "2.jsonl").write_bytes(lines(EXPOSURE) + b"{}\n")
    (tmp_path / "o.jsonl").write_bytes(b"oops\n" + lines(OUTCOME))
    pq.write_table(pa.Table.from_pylist([ASSIGNMENT, {**ASSIGNMENT, "variant": ""}]), tmp_path / "a.parquet")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    named = read(tmp_path, "exposures: e\noutcomes: o.jsonl\nassignments: a.parquet\n")
    found = sources.accept_dataset(named, scratch)
    paths = [tmp_path / "e" / "1.jsonl", tmp_path / "e" / "2.jsonl", tmp_path / "o.jsonl", tmp_path / "a.parquet"]
    assert [(part.role, part.path, part.rows, part.invalid) for part in found.inputs] == [
        ("exposures", str(paths[0]), 2, 0),
        ("exposures", str(paths[1]), 2, 1),
        ("outcomes", str(paths[2]), 2, 1),
        ("assignments", str(paths[3]), 2, 1),
    ]
    for part, path in zip(found.inputs, paths, strict=True):
        content = path.read_bytes()
        assert (part.bytes, part.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert found.assignments is not None
    assert [(log.kind, log.rows, log.invalid) for log in (found.exposures, found.outcomes, found.assignments)] == [
        ("jsonl", 4, 1), ("jsonl", 2, 1), ("parquet", 2, 1),
    ]  # fmt: skip
    places = [(fault.file, fault.line) for fault in found.faults]
    assert sorted(set(places), key=places.index) == [(str(paths[1]), 2), (str(paths[2]), 1), (str(paths[3]), 2)]


def test_only_valid_lines_are_handed_on(tmp_path):
    """The accepted files hold the valid lines as they are, unpacked, and nothing else."""
    content = lines(EXPOSURE) + b"bad\n" + lines({**EXPOSURE, "request_id": "é"})
    good = lines(EXPOSURE) + lines({**EXPOSURE, "request_id": "é"})
    for number, (suffix, pack) in enumerate((("", bytes), (".gz", gzip.compress), (".zst", zstandard.compress))):
        shown, done = tmp_path / f"e.jsonl{suffix}", tmp_path / f"o.jsonl{suffix}"
        shown.write_bytes(pack(content))
        done.write_bytes(pack(lines(OUTCOME)))
        scratch = tmp_path / f"scratch-{number}"
        scratch.mkdir()
        found = sources.accept_dataset(sources.from_options([str(shown)], [str(done)]), scratch)
        assert b"".join(path.read_bytes() for path in found.exposures.paths) == good
        assert b"".join(path.read_bytes() for path in found.outcomes.paths) == lines(OUTCOME)
        assert found.assignments is None


def test_a_log_under_the_wrong_role_is_refused(tmp_path):
    """Exposures and outcomes mixed up are one error that names the file and both kinds, and not a log of bad rows."""
    (tmp_path / "e.jsonl").write_bytes(lines(EXPOSURE))
    (tmp_path / "o.jsonl").write_bytes(lines(OUTCOME))
    named = read(tmp_path, "exposures: o.jsonl\noutcomes: e.jsonl\n")
    with pytest.raises(
        InputError, match=r"o\.jsonl: not a log of this kind .found outcome\.v1.* expected exposure\.v1"
    ):
        sources.accept_dataset(named, tmp_path)
