"""recsys-eval validate, convert, hash and schema as a person meets them: one clear message, the right exit status."""

import gzip
import io
import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from recsys import console
from recsys.evaluation.cli import app

EXPOSURE = (
    '{"request_id":"r%d","user_id":"u","ts":"2026-02-05T10:00:00Z","items":[{"item_id":"a","rank":1}],'
    '"context":{"tenant_id":"demo","surface":"home"}}'
)
OUTCOME = '{"request_id":"r%d","user_id":"u","item_id":"a","event_type":"click","ts":"2026-02-05T10:00:05Z"}'
RAW = OUTCOME.replace('"u"', '"alice@example.com"') % 1


class Told:
    """What a run said and how it ended."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err


@pytest.fixture
def run(capsys):
    """Run the program in this process, as its entry point does."""

    def program(*arguments: object) -> Told:
        capsys.readouterr()
        status = console.run(app, "recsys-eval", [str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Told(status, captured.out, captured.err)

    return program


def write(path, *lines: str):
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path


SEVEN = [
    EXPOSURE % 1,
    (EXPOSURE % 2)[:-20],
    (EXPOSURE % 3).replace('"rank":1', '"rank":"1"'),
    (EXPOSURE % 4).replace("00:00Z", "00:00"),
    (EXPOSURE % 5).replace('"rank":1', '"rank":1,"score":1'),
    (EXPOSURE % 6).replace('{"request_id"', '{"user_id":"u","request_id"'),
    EXPOSURE % 7,
    (EXPOSURE % 8).replace('"user_id":"u",', ""),
    (EXPOSURE % 9).replace('"rank":1', '"rank":0'),
]
SEVEN_FAULTS = [
    (2, "$", "json"),
    (3, "$.items[0].rank", "type"),
    (4, "$.ts", "timestamp"),
    (5, "$.items[0].score", "unknown-field"),
    (6, "$.user_id", "duplicate-key"),
    (8, "$.user_id", "required"),
    (9, "$.items[0].rank", "minimum"),
]


def test_seven_faults_are_named_with_line_and_path(tmp_path, run):
    """Each of seven different faults stands on a line of its own with file, line and JSON path; exit status 1."""
    log = write(tmp_path / "log.jsonl", *SEVEN)
    told = run("validate", "--schema", "exposure.v1", "--input", log)
    lines = told.out.splitlines()
    assert told.status == 1
    assert [line.split(": found ")[0] for line in lines[:-1]] == [
        f"{log}:{number}: {path}: {rule}" for number, path, rule in SEVEN_FAULTS
    ]
    counts = ", ".join(f"{rule} 1" for rule in sorted(rule for _, _, rule in SEVEN_FAULTS))
    assert lines[-1] == f"{log}: exposure.v1: 9 lines, 7 invalid: {counts}"


def test_as_json(tmp_path, run):
    """--format json holds the same, for programs."""
    log = write(tmp_path / "log.jsonl", *SEVEN)
    told = run("validate", "--input", log, "--format", "json")
    [file] = json.loads(told.out)
    assert told.status == 1
    assert (file["file"], file["schema"], file["rows"], file["valid"], file["invalid"]) == (
        str(log), "exposure.v1", 9, 2, 7,
    )  # fmt: skip
    assert [(fault["line"], fault["path"], fault["rule"]) for fault in file["faults"]] == SEVEN_FAULTS
    assert file["faults"][1]["byte_offset"] == len(SEVEN[0]) + len(SEVEN[1]) + 2
    assert file["rules"] == {rule: 1 for _, _, rule in SEVEN_FAULTS}


def test_the_program_itself(tmp_path):
    """The installed program says the same on its own streams."""
    log = write(tmp_path / "log.jsonl", *SEVEN)
    program = Path(sys.executable).with_name("recsys-eval")
    done = subprocess.run([program, "validate", "--input", log], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout.count("\n") == 8
    assert done.stderr == ""


def test_max_errors_and_quarantine(tmp_path, run):
    """Faults beyond the bound are counted and said to be there; bad lines are set aside as they are."""
    log = write(tmp_path / "log.jsonl", *SEVEN)
    told = run("validate", "--input", log, "--max-errors", 2, "--quarantine", tmp_path / "bad")
    assert len(told.out.splitlines()) == 3
    assert "5 more faults: raise --max-errors" in told.out
    bad = [SEVEN[number - 1] for number, _, _ in SEVEN_FAULTS]
    assert (tmp_path / "bad").read_text().splitlines() == bad


@pytest.mark.parametrize("pack", [lambda raw: raw, gzip.compress, zstandard.compress], ids=["plain", "gz", "zst"])
def test_valid_logs_pass(tmp_path, run, pack):
    """A valid log, plain or packed, named by file, folder or glob, exits 0."""
    content = pack("".join(EXPOSURE % number + "\r\n" for number in range(3)).encode())
    name = "log.jsonl" + {b"\x1f": ".gz", b"(": ".zst"}.get(content[:1], "")
    (tmp_path / name).write_bytes(content)
    for spec in (tmp_path / name, tmp_path, tmp_path / "*.jsonl*"):
        told = run("validate", "--schema", "exposure.v1", "--input", spec)
        assert told.status == 0
        assert told.out == f"{tmp_path / name}: exposure.v1: 3 lines, all valid\n"


def test_standard_input(monkeypatch, run):
    """`-` reads standard input."""
    for text, status in ((OUTCOME % 1, 0), ("{}\n", 1), ("", 1)):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        assert run("validate", "--schema", "outcome.v1", "--input", "-").status == status


def bad_inputs(folder):
    """Inputs that cannot be used: (arguments, what the message must say)."""
    (folder / "empty.jsonl").touch()
    (folder / "none").mkdir()
    packed = {"gz": gzip.compress(b"x" * 9999), "zst": zstandard.compress(bytes(range(256)) * 99)}
    for kind, content in packed.items():
        (folder / f"cut.jsonl.{kind}").write_bytes(content[:-7])
    good = write(folder / "good.jsonl", EXPOSURE % 1)
    write(folder / "other.csv", "a,b")
    write(folder / "bad.json", "{")
    one = ["validate", "--schema", "exposure.v1", "--input"]
    return [
        ([*one, folder / "empty.jsonl"], "empty (found no line; expected at least one)"),
        (["validate", "--input", folder / "empty.jsonl"], "empty (found no line"),
        ([*one, folder / "missing.jsonl"], "missing.jsonl: no such file"),
        ([*one, folder / "missing-*.jsonl"], "no such file"),
        ([*one, folder / "none"], "the folder holds no log"),
        ([*one, folder / "cut.jsonl.gz"], "cannot be decompressed"),
        ([*one, folder / "cut.jsonl.zst"], "cannot be decompressed"),
        (["validate", "--input", folder / "other.csv"], "looks like a record"),
        (["validate", "--schema", "exposure.v2", "--input", good], "Did you mean 'exposure.v1'?"),
        (["validate", "--schema", folder / "bad.json", "--input", good], "not a JSON Schema"),
        (["validate", "--schema", folder / "gone.json", "--input", good], "no such schema"),
        (["validate", "--input", good, "--quarantine", folder / "no" / "x"], "cannot be set aside"),
        (["validate", "--input", good, "--quarantine", good], "would overwrite"),
        (["validate", "--input", good, "--exposures", good], "--input checks one log"),
        (["validate", "--exposures", good, "--outcomes", good, "--quarantine", "x"], "--quarantine works on one log"),
        (["validate", "--exposures", good, "--outcomes", folder / "missing.jsonl"], "no such file"),
        (["validate", "--input", good, "--max-errors", "many"], "--max-errors"),
        (["validate", "--input", good, "--max-errors", "-1"], "--max-errors"),
        (["validate", "--input", good, "--formatt", "json"], "--format"),
        (["validate", "--input"], "--input"),
        (["validat", "--input", good], "validat"),
        (["convert", "--input", good, "--from", "service_v2"], "service_v1"),
        (["convert", "--output", folder / "x"], "--input"),
        (["convert", "--input", folder / "missing.jsonl"], "no such file"),
        (["hash", "--input", good], "no salt"),
        (["hash", "--input", good, "--salt-file", folder / "no-salt"], "no such salt file"),
        (["schema", "exposure"], "Did you mean 'exposure.v1'?"),
    ]


@pytest.mark.parametrize("number", range(27))
def test_bad_input_is_one_clear_message(tmp_path, run, monkeypatch, number):
    """Every input that cannot be used ends in one message on stderr and exit status 1, never 2, never a traceback."""
    monkeypatch.delenv("EXPOSURE_HASH_SALT", raising=False)
    arguments, message = bad_inputs(tmp_path)[number]
    told = run(*arguments)
    assert told.status == 1
    assert message in told.err
    assert told.err.startswith("recsys-eval: ")
    assert len(told.err.splitlines()) == 1


def test_every_bad_input_is_tried(tmp_path):
    """The numbers above cover the list."""
    assert len(bad_inputs(tmp_path)) == 27


def test_both_logs_join(tmp_path, run):
    """Two sound logs: match rate, join rate, no missing keys, exit status 0."""
    exposures = write(tmp_path / "e.jsonl", *[EXPOSURE % number for number in range(20)])
    outcomes = write(tmp_path / "o.jsonl", *[OUTCOME % number for number in range(5)])
    told = run("validate", "--exposures", exposures, "--outcomes", outcomes)
    assert told.status == 0, told.out
    assert "5 of 5 outcomes that found their exposure" in told.out
    assert "5 of 20 exposures with at least one outcome" in told.out
    assert "slicing keys missing: none" in told.out


def test_both_logs_do_not_join(tmp_path, run):
    """Outcomes of other requests, missing slicing keys and bad lines are told; exit status 1."""
    bare = [(EXPOSURE % number).replace('"tenant_id":"demo",', "") for number in range(20)]
    exposures = write(tmp_path / "e.jsonl", *bare, "bad")
    outcomes = write(tmp_path / "o.jsonl", *[OUTCOME % (number + 100) for number in range(5)])
    told = run("validate", "--exposures", exposures, "--outcomes", outcomes)
    assert told.status == 1
    assert f"{exposures}:21: $: json" in told.out
    assert "0 of 5 outcomes that found their exposure" in told.out
    assert "slicing keys missing: tenant_id" in told.out


def test_convert_and_hash_commands(tmp_path, run, monkeypatch):
    """Lines go to stdout or a file, the account to stderr; the salt comes from the environment or from a file."""
    raw = write(tmp_path / "raw.jsonl", RAW, "bad")
    monkeypatch.setenv("EXPOSURE_HASH_SALT", "salt")
    told = run("hash", "--input", raw, "--output", tmp_path / "a.jsonl")
    assert told.status == 1
    assert "1 lines written, 1 invalid lines left out" in told.err
    assert "alice" not in told.err + told.out
    monkeypatch.delenv("EXPOSURE_HASH_SALT")
    (tmp_path / "salt").write_text("salt\n")
    write(raw, RAW)
    assert run("hash", "--input", raw, "--output", tmp_path / "b.jsonl", "--salt-file", tmp_path / "salt").status == 0
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    told = run("hash", "--input", tmp_path / "a.jsonl", "--salt-file", tmp_path / "salt")
    assert told.status == 1
    assert "pseudonyms already" in told.err


def test_schema_command(run):
    """Names without an argument, a valid schema with one."""
    assert "exposure.v1" in run("schema").out.splitlines()
    assert json.loads(run("schema", "exposure.v1").out)["$id"] == "urn:recsys:exposure.v1"


def test_nothing_to_check(recsys_eval):
    """Without a log: one line that names both forms of the command, status 1."""
    done = recsys_eval("validate")
    assert (done.status, done.out) == (1, "")
    assert "there is nothing to check (expected --input F, or both logs: --exposures F --outcomes F" in done.err


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_max_errors_of_both_logs(tmp_path, run, kind):
    """As many faults of each log as are asked for, in text and as JSON, whichever way the log is stored."""
    good, bad = [json.loads(OUTCOME % number) for number in range(20)], json.loads(OUTCOME % 1) | {"event_type": "view"}
    if kind == "jsonl":
        outcomes = write(tmp_path / "o.jsonl", *map(json.dumps, [*good, *[bad] * 30]))
    else:
        outcomes = tmp_path / "o.parquet"
        rows = [row | {"ts": datetime.fromisoformat(row["ts"])} for row in (*good, *[bad] * 30)]
        pq.write_table(pa.Table.from_pylist(rows), outcomes)
    exposures = write(tmp_path / "e.jsonl", *[EXPOSURE % number for number in range(20)])
    for words, most in (([], 20), (["--max-errors", "3"], 3), (["--max-errors", 100], 30)):
        told = run("validate", "--exposures", exposures, "--outcomes", outcomes, *words)
        assert told.status == 1
        assert told.out.count("$.event_type") == most
        assert (f"({30 - most} more rows are invalid: raise --max-errors" in told.out) == (most < 30)
        told = run("validate", "--exposures", exposures, "--outcomes", outcomes, *words, "--format", "json")
        assert len(json.loads(told.out)["faults"]) == most


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--input", "log", "--slice-key", "surface"], "--slice-key works on two logs"),
        (["--exposures", "log", "--outcomes", "log", "--schema", "exposure.v1"], "--schema works on one log"),
        (["--exposures", "log", "--outcomes", "log", "--quarantine", "bad"], "--quarantine works on one log"),
        (["--input", "log", "--exposures", "log"], "--input checks one log"),
    ],
)
def test_options_of_the_other_form_are_refused(run, words, problem):
    """An option that would do nothing is refused by name, before anything is read."""
    told = run("validate", *words)
    assert (told.status, told.out) == (1, "")
    assert problem in told.err
