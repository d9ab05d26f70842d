"""Bad input, by every command that reads logs: one clear message, the right exit status, and nothing half-written."""

import gzip
import json
import random

import pyarrow
import pyarrow.parquet
import pytest
import zstandard

NOISE = random.Random(7).randbytes(40_000)
"""Bytes that no packer makes smaller."""


def spoilt(record: dict) -> list[tuple[str | bytes, str]]:
    """Lines with one fault each, made of a sound record, and how the message of each goes on after file and line."""
    line = json.dumps(record)
    when = "timestamp" if "timestamp" in record else "ts"
    return [
        (line[:-9], "$: json: found "),
        (json.dumps({**record, "request_id": 7}), "$.request_id: type: found a number, expected string"),
        (line.replace(":00Z", ":00"), f"$.{when}: timestamp: found '2026-02-05T10:00:00', expected RFC 3339"),
        (line.replace("{", '{"tennant": 1, ', 1), "$.tennant: unknown-field: found the field 'tennant', expected "),
        (line.replace("{", '{"request_id": "x", ', 1), "$.request_id: duplicate-key: found this key more than once"),
        (json.dumps({**record, "request_id": "x" * 20_000_000}), "$: line-length: found 20,000,"),
        (line.encode().replace(b"Z", b"\xff", 1), "$: encoding: found byte 0xff at byte "),
        ("\ufeff" + line, "$: json: found a byte-order mark, expected a JSON object. Save the file as UTF-8 without"),
    ]


def service_record(number: int) -> dict:
    """One line of the service's audit log."""
    return {
        "schema_version": "v1", "timestamp": "2026-02-05T10:00:00Z", "request_id": f"r{number}", "tenant_id": "demo",
        "surface": "home", "segment": "default", "algo_version": "a", "config_version": "c", "rules_version": "r",
        "release": "l", "subject": {"user_id_hash": "h"}, "items": [{"item_id": "a", "rank": 1, "score": 0.5}],
        "latency_ms": 3.5, "error": False,
    }  # fmt: skip


@pytest.fixture
def damaged(write, exposure, outcome, logs):
    """Logs in which sound and bad lines alternate: (options of both logs, {command: (its log, its faults)})."""

    def log(name, sound, record):
        pairs = spoilt(record)
        path = write(name, *[line for number, (bad, _) in enumerate(pairs) for line in (bad, sound(number))])
        return path, [f"{path}:{1 + 2 * place}: {fault}" for place, (_, fault) in enumerate(pairs)]

    shown = log("e.jsonl", exposure, exposure(99))
    clicked = log("o.jsonl", outcome, outcome(99, ts="2026-02-05T10:00:00Z"))
    audited = log("s.jsonl", service_record, service_record(99))
    return ["--exposures", shown[0], "--outcomes", clicked[0]], {"e": shown, "o": clicked, "s": audited}


def test_validate_names_every_bad_line(recsys_eval, damaged):
    """All eight kinds of bad lines of one log, each with its line, path, what was found and expected; status 1."""
    log, faults = damaged[1]["e"]
    done = recsys_eval("validate", "--input", log)
    told = done.out.splitlines()
    assert done.status == 1
    assert len(told) == len(faults) + 1 == 9
    for line, fault in zip(told, faults, strict=False):
        assert line.startswith(fault)
        assert ", expected " in line
        assert len(line) < 300
    assert f"{log}: exposure.v1: 16 lines, 8 invalid: " in told[-1]


@pytest.mark.parametrize("command", ["run", "join", "validate"])
def test_bad_lines_are_left_out_and_counted(recsys_eval_process, damaged, tmp_path, command):
    """The commands that read both logs, as processes, use the sound lines, tell the first faults of each, and count
    the rest."""
    options, by_log = damaged
    out = {"run": ["--output", tmp_path / "report.json"], "join": ["--format", "json"], "validate": []}[command]
    done = recsys_eval_process(command, *options, *out)
    told = done.out if command == "validate" else done.err
    for _, faults in (by_log["e"], by_log["o"]):
        assert all(f"\n{fault}" in f"\n{told}" for fault in faults[:5])
    if command == "validate":
        assert done.status == 1
        assert f"{by_log['e'][0]}: exposures: 16 rows, 8 invalid" in done.out
        return
    quality = json.loads((tmp_path / "report.json").read_text())["data_quality"] if command == "run" else None
    quality = quality or json.loads(done.out)
    assert done.status == 0
    assert (quality["exposures"]["invalid"], quality["fates"]["invalid"], quality["fates"]["attributed"]) == (8, 8, 8)
    assert "recsys-eval: 6 more rows are invalid: `recsys-eval validate` lists every fault\n" in done.err


@pytest.mark.parametrize(("command", "log"), [("convert", "s"), ("hash", "o")])
def test_convert_and_hash_leave_bad_lines_out(recsys_eval_process, damaged, tmp_path, command, log):
    """The sound lines are written, every bad one is told on stderr, and the exit status is 1."""
    path, faults = damaged[1][log]
    done = recsys_eval_process(command, "--input", path, "--output", tmp_path / "made.jsonl", salt="salt")
    assert (done.status, done.out) == (1, "")
    *told, account = done.err.splitlines()
    assert len(told) == len(faults)
    assert all(line.startswith(fault) for line, fault in zip(told, faults, strict=True))
    assert account == "recsys-eval: 8 lines written, 8 invalid lines left out"
    assert len((tmp_path / "made.jsonl").read_bytes().splitlines()) == 8


FILES = {
    "missing.jsonl": (None, "no such file. Give a file, a folder of .jsonl files, a glob, a URL, or - for stdin."),
    "folder": ("readme.txt", "the folder holds no log (expected files ending in .jsonl, .jsonl.gz, .jsonl.zst)"),
    "cut.jsonl.gz": (gzip.compress(NOISE)[:-9], "end-of-stream marker was reached (found 3"),
    "cut.jsonl.zst": (zstandard.compress(NOISE)[:-9], "cannot be decompressed: the file ends before its last frame"),
    "plain.jsonl.gz": (b"{}\n", "If it is not compressed, let its name not end in .gz"),
    "packed.jsonl": (gzip.compress(b"{}\n"), "found a gzip file; expected JSON lines). Let its name end in .gz."),
    "columns.jsonl": (b"PAR1" + NOISE, "not a JSONL file (found a Parquet file; expected JSON lines)"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be_read(in_turn, logs, tmp_path, name):
    """Every command says where, what was found and what to do, in one line; status 1; an old output stays."""
    content, message = FILES[name]
    path, old = tmp_path / name, tmp_path / "old.parquet"
    if isinstance(content, str):
        path.mkdir()
        (path / content).touch()
    elif content is not None:
        path.write_bytes(content)
    old.write_text("old")
    output = ["--output", old]
    for_logs = ["--exposures", path, *logs[2:]]
    ran = [
        ("run", *for_logs, *output, "--output-format", "json"),
        ("join", *for_logs, *output),
        ("validate", "--input", path),
        ("convert", "--input", path, *output),
        ("hash", "--input", path, *output),
    ]
    for done in in_turn(*ran, salt="salt"):
        assert (done.status, done.out) == (1, "")
        [line] = done.err.splitlines()
        assert line.startswith(f"recsys-eval: {path}: ")
        assert message in line
    assert old.read_text() == "old"


def test_the_wrong_log(recsys_eval, in_turn, logs, write, tmp_path):
    """A log of other records is named, with what to do; nothing is written."""
    _, shown, _, clicked = logs
    audit = write("audit.jsonl", *map(service_record, range(3)))
    binary = write("binary.jsonl", NOISE)
    output = ["--output", tmp_path / "made.json"]
    cases = {
        ("join", *logs[:2], "--outcomes", audit): "(found service_v1 records; expected outcome.v1). Check which file",
        (
            "run",
            "--exposures",
            clicked,
            *logs[2:],
        ): "(found outcome.v1 records; expected exposure.v1). Check which file",
        ("join", *logs[:2], "--outcomes", shown): "(found exposure.v1 records; expected outcome.v1). Check which file",
        ("join", *logs, "--assignments", shown): "(found exposure.v1 records; expected assignment.v1)",
        ("convert", "--input", shown): "(found exposure.v1 records; expected service_v1). It is what `convert` makes",
        ("hash", "--input", shown): "not a log with raw user ids (found exposure.v1; expected outcome.v1 or assign",
        ("hash", "--input", binary): "no line at its beginning looks like a record that is known",
    }
    ran = [[*words, *(output if words[0] != "join" else [])] for words in cases]
    for done, told in zip(in_turn(*ran, salt="salt"), cases.values(), strict=True):
        assert (done.status, done.out) == (1, ""), told
        [line] = done.err.splitlines()
        assert told in line
    assert not (tmp_path / "made.json").exists()
    done = recsys_eval("validate", "--schema", "exposure.v1", "--input", audit)
    assert done.status == 1
    assert "To make exposure.v1 of it: recsys-eval convert" in done.err


def test_one_file_given_twice(in_turn, logs, tmp_path):
    """By the same name or through a folder: every row would be a repeat of itself, so it is refused by name."""
    for done in in_turn(
        ["run", *logs, "--outcomes", tmp_path / "out*.jsonl"],
        ["join", "--exposures", tmp_path / "exp*", *logs],
        ["validate", "--input", tmp_path, "--input", logs[3]],
    ):
        assert (done.status, done.out) == (1, "")
        assert "the same file is given twice. Name each file once" in done.err


def test_nothing_valid(recsys_eval, logs, write, tmp_path):
    """An empty log, or one of noise: status 2 from the commands that evaluate, 1 from the others, and no output."""
    binary, empty = write("binary.jsonl", b"\x00" + NOISE), tmp_path / "empty.jsonl"
    empty.touch()
    done = recsys_eval("run", "--exposures", binary, *logs[2:], "--output", tmp_path / "report.json")
    assert done.status == 2
    assert "rows of the log are invalid; `recsys-eval validate` says why" in done.err
    assert json.loads((tmp_path / "report.json").read_text())["summary"]["status"] == "hold"
    for command in ("convert", "hash"):
        done = recsys_eval(command, "--input", empty, "--output", tmp_path / "made", salt="salt")
        assert (done.status, done.out) == (1, "")
        assert done.err == f"recsys-eval: {empty}: no valid line, so nothing was written (found no line)\n"
    done = recsys_eval("convert", "--input", binary, "--output", tmp_path / "made")
    assert done.status == 1
    assert "no valid line, so nothing was written" in done.err.splitlines()[-1]
    assert not (tmp_path / "made").exists()
    done = recsys_eval("validate", "--input", empty)
    assert (done.status, done.out) == (1, f"{empty}: auto: 0 lines, empty\n")
    assert done.err == f"recsys-eval: {empty}: empty (found no line; expected at least one)\n"


def test_parquet_that_is_no_log(recsys_eval, logs, tmp_path):
    """Missing columns, unknown ones, other types and text under the name of Parquet: each is told with its column."""
    tables = {
        "columns": {"request_id": ["r1"], "user_id": ["u1"]},
        "types": {"request_id": [1], "user_id": ["u"], "item_id": ["a"], "event_type": ["click"], "ts": ["x"]},
        "text": None,
    }
    for name, told in {
        "columns": "a column is missing (found request_id, user_id; expected item_id). A log of outcomes has",
        "types": "the column request_id has another type (found BIGINT; expected text)",
        "text": "not a Parquet file that can be read",
    }.items():
        path = tmp_path / f"{name}.parquet"
        if (table := tables[name]) is None:
            path.write_text("hello " * 100)
        else:
            pyarrow.parquet.write_table(pyarrow.table(table), path)
        done = recsys_eval("join", *logs[:2], "--outcomes", path, "--output", tmp_path / "joined.parquet")
        assert (done.status, done.out) == (1, "")
        [line] = done.err.splitlines()
        assert line.startswith(f"recsys-eval: {path}: ")
        assert told in line
    assert not (tmp_path / "joined.parquet").exists()
