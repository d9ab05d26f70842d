"""Ended from outside, or out of room: the right exit status, no traceback, no temporary file, the old output intact."""

import gzip
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

PROGRAM = Path(sys.executable).with_name("recsys-eval")
LIMIT_S = 30.0


@pytest.fixture
def started(tmp_path):
    """Start the program in a process group of its own, with an output that is there already, and see what it leaves."""
    scratch, old = tmp_path / "tmp", tmp_path / "old.parquet"
    scratch.mkdir()
    old.write_text("old")
    processes: list[subprocess.Popen] = []

    def start(*words: object) -> subprocess.Popen:
        command = [PROGRAM, *(str(word) for word in words), "--output", str(old)]
        env = {**os.environ, "TMPDIR": str(scratch)}
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=env, start_new_session=True)
        processes.append(process)
        return process

    yield start
    [process] = processes
    if process.poll() is None:
        process.kill()
        process.communicate()
    assert list(scratch.iterdir()) == []
    assert old.read_text() == "old"
    assert not list(tmp_path.glob("*.part"))


def wait_until(true) -> None:
    """Wait for what a started process does."""
    ends = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.01)


@pytest.mark.parametrize(("asked", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("command", ["run", "join", "convert"])
def test_ended_while_it_reads(started, logs, tmp_path, command, asked, status):
    """Ctrl-C and SIGTERM end a command that waits for its input: the documented status, and not a word."""
    words = ["--input", "-"] if command == "convert" else ["--exposures", "-", *logs[2:]]
    words += ["--output-format", "json"] if command == "run" else []
    process = started(command, *words)
    wait_until(lambda: any((tmp_path / "tmp").glob("*/*")))
    process.send_signal(asked)
    process.send_signal(asked)  # who presses the keys twice does not keep it from cleaning up
    out, err = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, out, err) == (status, b"", b"")


@pytest.mark.parametrize(("asked", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ended_while_its_workers_check(started, logs, write, exposure, asked, status):
    """A signal to the whole group, as the terminal sends it, ends a check on all cores without a word."""
    lines = b"".join(json.dumps(exposure(number)).encode() + b"\n" for number in range(1000))
    process = started("join", "--exposures", write("long.jsonl", *[lines[:-1]] * 160), *logs[2:])
    wait_until(lambda: len(psutil.Process(process.pid).children(recursive=True)) > 1)
    os.killpg(process.pid, asked)
    out, err = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, out, err) == (status, b"", b"")


def workers_of(process: subprocess.Popen) -> list[psutil.Process]:
    """The processes that check the logs, as soon as there are some."""
    workers: list[psutil.Process] = []

    def checking() -> bool:
        children = psutil.Process(process.pid).children(recursive=True)
        workers[:] = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
        return bool(workers)

    wait_until(checking)
    return workers


def test_no_worker_outlives_the_program(write, exposure, tmp_path):
    """Where the program itself is killed, its workers end too: they would wait for work for ever."""
    lines = b"".join(json.dumps(exposure(number)).encode() + b"\n" for number in range(1000))
    log = write("long.jsonl", *[lines[:-1]] * 160)
    pipe = subprocess.PIPE
    with subprocess.Popen([PROGRAM, "validate", "--input", log], stdout=pipe, stderr=pipe) as process:
        workers = workers_of(process)
        process.kill()
        _, alive = psutil.wait_procs(workers, timeout=LIMIT_S)
    assert alive == []


def test_a_worker_that_is_killed(started, logs, write, exposure):
    """A worker that the system ends, as it does when memory runs out: one message that says so, status 1."""
    lines = b"".join(json.dumps(exposure(number)).encode() + b"\n" for number in range(1000))
    process = started("join", "--exposures", write("long.jsonl", *[lines[:-1]] * 160), *logs[2:])
    for worker in workers_of(process):
        worker.kill()
    out, err = process.communicate(timeout=LIMIT_S)
    assert (process.returncode, out) == (1, b"")
    assert err.startswith(b"recsys-eval: a process that checks the logs was ended from outside. The machine may")
    assert err.count(b"\n") == 1


def no_file_over(size: int):
    """Stand in for a full disk: the process can make no file larger than ``size`` bytes."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_a_full_disk(recsys_eval_process, logs, write, exposure, outcome, tmp_path):
    """Wherever the room ends, one message names the file and what to do; nothing half-written stays."""
    many = [outcome(number % 40, event_id=f"e{number}") for number in range(3000)]
    clicks = write("many.jsonl", *many)
    packed = tmp_path / "packed.jsonl.gz"
    packed.write_bytes(gzip.compress(clicks.read_bytes()))
    old = tmp_path / "old.parquet"
    old.write_text("old")
    spoilt = write("spoilt.jsonl", "bad", *many)
    for words, told in {
        ("run", *logs, "--output", old, "--output-format", "html"): f"{old}: cannot be written (found File too large",
        ("join", *logs[:2], "--outcomes", clicks, "--output", old): f"{old}: cannot be written (found IO Error",
        ("hash", "--input", clicks, "--output", old): f"{old}: cannot be written (found File too large",
        ("validate", "--input", packed): "no room for a temporary file (found File too large). Free space in the",
        ("join", *logs[:2], "--outcomes", spoilt): "no room for a temporary file (found File too large). Free space",
    }.items():
        done = recsys_eval_process(*words, salt="salt", preexec_fn=no_file_over(1_000))
        assert (done.status, done.out) == (1, ""), words
        [line] = done.err.splitlines()
        assert told in line
    assert old.read_text() == "old"
    assert not list(tmp_path.glob("*.part"))


def test_no_temporary_folder(recsys_eval_process, logs):
    """Where no folder for temporary files can be written, one message lists those that were tried."""
    done = recsys_eval_process("run", *logs, preexec_fn=no_file_over(0))
    assert (done.status, done.out) == (1, "")
    assert "No usable temporary directory found" in done.err
    assert "TMPDIR" in done.err
    assert len(done.err.splitlines()) == 1


def test_the_reader_of_a_pipe_goes_away(write, outcome):
    """`recsys-eval hash … | head -1` ends with 141, the status of a broken pipe, and without a word."""
    log = write("many.jsonl", *[outcome(number) for number in range(20_000)])
    env = {**os.environ, "EXPOSURE_HASH_SALT": "salt"}
    pipe = subprocess.PIPE
    process = subprocess.Popen([PROGRAM, "hash", "--input", log], stdout=pipe, stderr=pipe, env=env)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=LIMIT_S) == 141
    assert process.stderr.read() == b""
    process.stderr.close()
