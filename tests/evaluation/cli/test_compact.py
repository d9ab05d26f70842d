"""`recsys-eval compact`: what it says, its exit status, and that every command reads what it made."""

import json
import os
import resource
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import lossy_logs

PROGRAM = Path(sys.executable).with_name("recsys-eval")
LIMIT_S = 30.0


@pytest.fixture
def compacted(recsys_eval, write, exposure, outcome, tmp_path):
    """Logs with lines that are not valid, copies, an orphan, a gap and two salts; the options that name them, and those
    that the command printed for the folder that it made of them."""
    made = lossy_logs.rows(60)
    made["outcomes"] += [made["outcomes"][0], outcome(1, request_id="elsewhere"), outcome(2, item_id="z")]
    made["exposures"].append(made["exposures"][3])
    files = lossy_logs.write(tmp_path / "logs", made, exposures=[(1, 0)])
    for role in ("exposures", "outcomes"):
        with Path(files[role][0]).open("ab") as log:
            log.write(b'{"request_id": "r1"}\n')
    assigned = {"experiment_id": "x", "variant": "A", "ts": lossy_logs.BEGIN}
    rows = [{**assigned, "request_id": f"r{number}", "user_id": f"u{number % 7}"} for number in range(60)]
    files["assignments"] = [str(write("a.jsonl", *rows))]
    named = [word for role, paths in files.items() for word in (f"--{role}", *paths)]
    done = recsys_eval("compact", *named, "--output", tmp_path / "out")
    return named, done


def test_what_it_says(compacted, tmp_path):
    """Rows, parts and invalid lines of each log, faults by file and line, where bad lines are kept, and the options
    that name the folder to the other commands."""
    _, done = compacted
    assert done.status == 0
    *told, options = done.out.splitlines()
    assert told == [
        "exposures: 61 rows in 2 new parts, 1 invalid; 61 rows in all",
        "outcomes: 23 rows in 1 new part, 1 invalid; 23 rows in all",
        "assignments: 60 rows in 1 new part; 60 rows in all",
    ]
    roles = ("exposures", "outcomes", "assignments")
    assert shlex.split(options) == [word for role in roles for word in (f"--{role}", str(tmp_path / "out" / role))]
    assert "exposure-2026-02-05.w1-1.jsonl:62:" in done.err
    kept = [line.rpartition(" ")[2] for line in done.err.splitlines() if "invalid lines are kept in" in line]
    assert [Path(name).read_bytes() for name in kept] == [b'{"request_id": "r1"}\n'] * 2


def figures(text):
    """A report, or what a command printed, without the names of files, and without what differs from run to run."""
    report = json.loads(text)
    for name in ("run_id", "created_at", "inputs", "effective_config", "faults"):
        report.pop(name, None)
    return report


def test_the_commands_say_the_same_of_both(compacted, in_turn, tmp_path):
    """`join`, `run` and `validate` give the figures of the logs, with their invalid lines and what is known to be lost,
    and the same exit status."""
    named, done = compacted
    folder = shlex.split(done.out.splitlines()[-1])
    for command in (["join", "--format", "json"], ["validate", "--format", "json"]):
        lines, table = in_turn([*command, *named], [*command, *folder])
        assert lines.status == table.status
        assert figures(lines.out) == figures(table.out)
        assert '"invalid": 1' in lines.out
    paths = [tmp_path / f"{name}.json" for name in ("lines", "table")]
    lines, table = in_turn(["run", *named, "--output", paths[0]], ["run", *folder, "--output", paths[1]])
    assert lines.status == table.status
    report, other = (figures(path.read_text()) for path in paths)
    assert report == other
    assert report["data_quality"]["fates"]["invalid"] == 1
    assert report["data_quality"]["gaps"][0]["lost"] == 1


def test_the_doctor_and_a_trace_say_the_same_of_both(compacted, in_turn):
    """`doctor` has the same findings, of the same causes, and `trace` the same list with the same fates: what differs
    are the places of lines."""
    named, done = compacted
    folder = shlex.split(done.out.splitlines()[-1])
    one, other = in_turn(*(["doctor", *options, "--format", "json"] for options in (named, folder)))
    findings = [
        [(each["detector"], each["severity"], each["cause"]) for each in json.loads(ran.out)["findings"]]
        for ran in (one, other)
    ]
    assert one.status == other.status
    assert findings[0] == findings[1] != []
    traces = in_turn(*(["trace", "r3", *options, "--format", "json"] for options in (named, folder)))
    one, other = (json.loads(ran.out) for ran in traces)
    for part in ("status", "headline", "applied"):
        assert one[part] == other[part], part
    rows = [[(row["log"], row["fate"], row["item_id"]) for row in trace["rows"]] for trace in (one, other)]
    assert rows[0] == rows[1]
    assert {"shown", "redelivered", "attributed"} <= {fate for _, fate, _ in rows[0]}


def test_again(compacted, recsys_eval, tmp_path):
    """With nothing new it says so, and succeeds."""
    named, _ = compacted
    done = recsys_eval("compact", *named, "--output", tmp_path / "out")
    assert (done.status, done.err) == (0, "")
    assert done.out.splitlines()[:2] == [
        "exposures: nothing new; 61 rows in all", "outcomes: nothing new; 23 rows in all"
    ]  # fmt: skip


def test_a_copy_is_told(recsys_eval, write, outcome, tmp_path):
    """Of two logs with the same lines one is taken, and it is said that the other was passed over."""
    logs = [write(name, outcome(1)) for name in ("a.jsonl", "b.jsonl")]
    done = recsys_eval("compact", "--outcomes", logs[0], "--outcomes", logs[1], "--output", tmp_path / "out")
    assert done.out.splitlines()[0] == "outcomes: 1 row in 1 new part, nothing of 1 log; 1 row in all"


def test_nothing_valid(recsys_eval, in_turn, write, exposure, outcome, tmp_path):
    """Status 1, also when it is asked again, and 0 once there are valid rows; the bad lines are kept all the same, and
    the other commands count them as they count those of the log."""
    log = write("o.jsonl", "bad", "worse")
    for _ in range(2):
        done = recsys_eval("compact", "--outcomes", log, "--output", tmp_path / "out")
        assert (done.status, done.out.splitlines()[1:]) == (1, [])
    shown = write("e.jsonl", exposure(1))
    recsys_eval("compact", "--exposures", shown, "--output", tmp_path / "out")
    lines, table = in_turn(
        ["join", "--format", "json", "--exposures", shown, "--outcomes", log],
        [
            "join",
            "--format",
            "json",
            "--exposures",
            tmp_path / "out/exposures",
            "--outcomes",
            tmp_path / "out/outcomes",
        ],
    )
    assert lines.status == table.status == 2
    assert figures(lines.out) == figures(table.out)
    [kept] = (tmp_path / "out/_invalid/outcomes").iterdir()
    assert kept.read_bytes() == b"bad\nworse\n"
    write("o.jsonl", "bad", "worse", outcome(1))
    assert recsys_eval("compact", "--outcomes", log, "--output", tmp_path / "out").status == 0


def test_stdin_and_unfinished_lines(recsys_eval_process, write, outcome, tmp_path):
    """Standard input is a log like others; a line that is not whole yet is told, and is no fault."""
    log = write("o.jsonl", outcome(1))
    done = recsys_eval_process("compact", "--outcomes", "-", "--output", tmp_path / "out", stdin=log.read_bytes())
    assert (done.status, done.out.splitlines()[0]) == (0, "outcomes: 1 row in 1 new part; 1 row in all")
    other = write("p.jsonl", outcome(2)).read_bytes()
    done = recsys_eval_process("compact", "--outcomes", "-", "--output", tmp_path / "out", stdin=other)
    assert (done.status, done.out.splitlines()[0]) == (0, "outcomes: 1 row in 1 new part; 2 rows in all")
    with log.open("ab") as file:
        file.write(b'{"request_id')
    done = recsys_eval_process("compact", "--outcomes", log, "--output", tmp_path / "out")
    assert (done.status, done.out.splitlines()[0]) == (0, "outcomes: nothing new; 2 rows in all")
    assert done.err == f"recsys-eval: {log}: the last line has no newline: its 12 bytes are left until it has\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "there is nothing to compact"),
        (["--outcomes", "none.jsonl"], "none.jsonl: no such file"),
        (["--outcomes", "o.parquet"], "only JSONL is compacted"),
        (["--outcomes", "o.jsonl", "--memory-limit", "much"], "--memory-limit: not a size (found much; expected"),
        (["--outcomes", "o.jsonl", "--memory-limit", "0MB"], "--memory-limit: too little memory (found 0MB; expected"),
        (["--outcomes", "o.jsonl", "--memory-limit", "95 MiB"], "at least 100MB"),
    ],
)
def test_what_is_refused(recsys_eval, tmp_path, words, told):
    """One line that says what to do, and status 1."""
    done = recsys_eval("compact", *words, "--output", tmp_path / "out")
    assert (done.status, done.out) == (1, "")
    assert told in done.err
    assert len(done.err.splitlines()) == 1


def no_file_over(size):
    """Stand in for a full disk: the process can make no file larger than ``size`` bytes."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_a_full_disk(recsys_eval, recsys_eval_process, write, outcome, tmp_path):
    """One message, and nothing half-written: the folder is as it was, and the next run goes on."""
    first = write("a.jsonl", outcome(1))
    recsys_eval("compact", "--outcomes", first, "--output", tmp_path / "out")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    many = write("b.jsonl", *[outcome(number, event_id=f"e{number * 7919 % 30_011}") for number in range(30_000)])
    for size in (1_000, 60_000):
        done = recsys_eval_process(
            "compact", "--outcomes", many, "--output", tmp_path / "out", preexec_fn=no_file_over(size)
        )
        assert (done.status, done.out) == (1, "")
        [line] = done.err.splitlines()
        assert "the rows cannot be held or written" in line
        assert "Free space" in line
        assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before
    assert recsys_eval("compact", "--outcomes", many, "--output", tmp_path / "out").status == 0


def test_two_at_once_and_ended_from_outside(write, outcome, tmp_path, recsys_eval):
    """While one waits for its input, another is refused; ended by a signal, it leaves nothing and says nothing."""
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    command = [PROGRAM, "compact", "--outcomes", "-", "--output", tmp_path / "out"]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, stderr=pipe, env={**os.environ, "TMPDIR": str(scratch)}
    ) as process:  # fmt: skip
        ends = time.monotonic() + LIMIT_S
        while not any(scratch.glob("*/*")):
            assert time.monotonic() < ends
            time.sleep(0.01)
        done = recsys_eval("compact", "--outcomes", write("o.jsonl", outcome(1)), "--output", tmp_path / "out")
        assert (done.status, done.out) == (1, "")
        assert "another run is compacting into it" in done.err
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, out, err) == (143, b"", b"")
    assert list(scratch.iterdir()) == list((tmp_path / "out").iterdir()) == []


WRITER = """
import itertools, sys, time
log = open(sys.argv[1], "ab", buffering=0)
line = open(sys.argv[1], "rb").readline()
print("writing", flush=True)
for number in itertools.count():
    new = line.replace(b'"r1"', b'"new-%d"' % number)
    log.write(new[:50])
    log.write(new[50:])
    time.sleep(0.0005)
"""


def test_a_log_that_is_written_to(recsys_eval, write, outcome, tmp_path):
    """Runs beside a process that appends, each line in two parts: no line is lost, taken twice, or taken in half."""
    log = write("o.jsonl", *[outcome(1)] * 5000)
    with subprocess.Popen([sys.executable, "-c", WRITER, log], stdout=subprocess.PIPE) as writer:
        try:
            assert writer.stdout is not None
            writer.stdout.readline()
            for _ in range(2):
                assert recsys_eval("compact", "--outcomes", log, "--output", tmp_path / "out").status == 0
        finally:
            writer.send_signal(signal.SIGKILL)
    done = recsys_eval("compact", "--outcomes", log, "--output", tmp_path / "out")
    lines = log.read_bytes().count(b"\n")
    assert lines > 5000
    assert done.out.splitlines()[0].endswith(f"; {lines:,} rows in all")
    assert "invalid" not in done.out
