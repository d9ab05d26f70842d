"""``recsys-service log``: verify, repair, stat and tail, on logs that real writers wrote. No database is there."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from recsys.eventlog.writing.writer import LogSettings, LogWriter
from service_world import PROGRAM, cli, environment, program


@pytest.fixture
def env(tmp_path):
    """An environment whose exposure and outcome logs share a folder; nothing listens at its database."""
    return environment(
        EXPOSURE_LOG_PATH=f"{tmp_path}/logs/", OUTCOME_LOG_PATH=f"{tmp_path}/logs/", ENV="production",
        RECSYS_DATA_DIR=str(tmp_path / "data"),
    )  # fmt: skip


def fill(path, log="exposure", writer="w", lines=5, **more) -> LogWriter:
    """A writer that wrote some lines, and has the log open."""
    made = LogWriter(LogSettings(path=str(path), **more), log=log, writer=writer)
    made.open()
    for number in range(lines):
        made.append(b'{"request_id":"%s-%d"}' % (writer.encode(), number))
    return made


@pytest.fixture
def folder(tmp_path):
    """A folder with two closed exposure segments and an outcome segment that is written to."""
    path = f"{tmp_path}/logs/"
    fill(path, writer="w1").close()
    fill(path, writer="w2", lines=7).close()
    outcomes = fill(path, log="outcome", writer="w1", lines=2)
    yield tmp_path / "logs"
    outcomes.close()


def test_verify_configured_logs(env, folder):
    """One summary line for each configured log; no database is asked for, nor is a data folder made."""
    done = cli("log", "verify", env=env)
    assert done.status == 0, done.err
    exposures, outcomes = done.out.splitlines()
    assert exposures.startswith(f"exposure log {folder}: 0 faults, 2 files, 12 lines, ")
    assert exposures.endswith("2 writers, 0 gaps, 0 lines erased")
    assert outcomes.startswith(f"outcome log {folder}: 0 faults, 1 file, 2 lines, ")
    assert not (folder.parent / "data").exists()


def test_verify_tells_faults_and_exits_3(env, folder):
    """Each fault with its file and bytes, as text and as JSON; only the log that is asked for."""
    file = next(folder.glob("exposure-*w2-1.jsonl"))
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:3] + lines[4:]))
    start, end = len(b"".join(lines[:3])), len(b"".join(lines[:4]))
    told = cli("log", "verify", env=env)
    assert told.status == 3
    expected = (
        f"{file}: bytes {start} to {end} of the file as it was written: 1 line missing; it belongs at byte {start}"
    )
    assert told.out.splitlines()[0] == expected
    done = cli("log", "verify", folder, "--log", "exposure", "--format", "json", env=env)
    assert done.status == 3
    (log,) = json.loads(done.out)["logs"]
    (fault,) = log.pop("faults")
    assert fault == {
        "file": str(file), "kind": "missing", "start": start, "end": end, "lines": 1, "place": start,
    }  # fmt: skip
    assert (log["log"], log["files"], log["lines"], log["writers"]) == ("exposure", 2, 11, ["w1", "w2"])
    assert cli("log", "verify", file, env=env).status == 3
    assert cli("log", "verify", folder, "--log", "outcome", env=env).status == 0


def test_verify_a_file_with_its_rotated_ones(env, tmp_path):
    """The log that is a file, whatever it was renamed to; a rotated file can be named alone."""
    path = tmp_path / "exposures.jsonl"
    made = fill(path)
    path.rename(tmp_path / "exposures.jsonl.1")
    made.append(b"{}")
    made.close()
    done = cli("log", "verify", path, env=env)
    assert (done.status, done.out.split(": ", 1)[1][:28]) == (0, "0 faults, 2 files, 6 lines, ")
    assert "1 file, 5 lines" in cli("log", "verify", tmp_path / "exposures.jsonl.1", env=env).out


def test_where_there_is_no_log(tmp_path):
    """The message names the variable, or the path."""
    nothing = environment(RECSYS_DATA_DIR=str(tmp_path))
    for command in ("verify", "repair", "stat", "tail"):
        done = cli("log", command, env=nothing)
        assert done.status == 1
        assert "EXPOSURE_LOG_PATH: no log is configured" in done.err
        done = cli("log", command, tmp_path / "x", env=nothing)
        assert (done.status, "no such file or folder" in done.err) == (1, True)
        done = cli("log", command, tmp_path, env=nothing)
        assert (done.status, "the folder holds no log" in done.err) == (1, True)
    done = cli("log", "verify", env=nothing | {"EXPOSURE_LOG_PATH": str(tmp_path / "e.jsonl")})
    assert (done.status, "there is no log yet" in done.err) == (1, True)


def kill_in_the_middle(made: LogWriter) -> Path:
    """What a writer leaves that ends by force: a line that no index knows, half a line, and no seal."""
    made._place.write(b'{"late":1}\n')
    path = made.path
    with path.open("ab") as out:
        out.write(b'{"half')
    made._place._segment.close()  # type: ignore[union-attr]
    return path


def test_repair_a_folder(env, tmp_path):
    """A dry run tells and changes nothing; the repair cuts, indexes and seals, and leaves open segments alone."""
    living = fill(f"{tmp_path}/logs/", writer="living")
    path = kill_in_the_middle(fill(f"{tmp_path}/logs/", writer="dead"))
    before = {each: each.read_bytes() for each in (tmp_path / "logs").iterdir()}
    done = cli("log", "repair", "--dry-run", tmp_path / "logs", env=env)
    assert (done.status, done.out.startswith(f"{path}: "), "would be sealed" in done.out) == (0, True, True)
    assert len(done.out.splitlines()) == 1
    assert {each: each.read_bytes() for each in (tmp_path / "logs").iterdir()} == before
    done = cli("log", "repair", tmp_path / "logs", env=env)
    assert (done.status, len(done.out.splitlines())) == (0, 1)
    assert "1 lines put into the index; 6 bytes of an unfinished record cut off" in done.out
    assert path.read_bytes().endswith(b'{"late":1}\n')
    assert cli("log", "repair", tmp_path / "logs", env=env).out == "nothing to repair\n"
    checked = cli("log", "verify", tmp_path / "logs", env=env)
    assert (checked.status, "note" in checked.out, "11 lines" in checked.out) == (0, False, True)
    living.append(b"{}")
    living.close()


def test_repair_a_file(env, tmp_path):
    """Half a line is cut under the lock; lines in no index get one once no writer lives."""
    path = tmp_path / "exposures.jsonl"
    living = fill(path, writer="living")
    assert kill_in_the_middle_of_file(path) == path
    done = json.loads(cli("log", "repair", path, "--dry-run", "--format", "json", env=env).out)["files"][0]
    assert (done["torn"], done["indexed"], done["unindexed"]) == (6, 0, 11)
    assert path.read_bytes().endswith(b'{"half')
    done = cli("log", "repair", path, env=env)
    assert "6 bytes of an unfinished record cut off" in done.out
    assert "11 bytes of lines in no index stay so: a writer is at it" in done.out
    living.append(b'{"after":1}')
    living.close()
    assert "(a note)" in cli("log", "verify", path, env=env).out
    assert "1 lines put into an index" in cli("log", "repair", path, env=env).out
    checked = cli("log", "verify", path, env=env)
    assert (checked.status, "note" in checked.out, "12 lines" in checked.out) == (0, False, True)
    assert cli("log", "repair", path, env=env).out == f"{path}: whole\n"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(line for line in lines if b"late" not in line))
    assert cli("log", "verify", path, env=env).status == 3


def kill_in_the_middle_of_file(path: Path) -> Path:
    """The same of a log that is one file."""
    made = fill(path, writer="dead")
    made._place.write(b'{"late":1}\n')
    with path.open("ab") as out:
        out.write(b'{"half')
    made._place._index.close()
    made._place._index = None
    made._place.close()
    return path


def test_repair_indexes_a_log_that_had_none(env, tmp_path):
    """A file that was written before there were indexes can be watched over from then on."""
    path = tmp_path / "exposures.jsonl"
    path.write_bytes(b'{"n":1}\nnot a record\n{"n":2}\n')
    assert cli("log", "verify", path, env=env).status == 3
    assert "2 lines put into an index" in cli("log", "repair", path, env=env).out
    checked = cli("log", "verify", path, env=env)
    assert (checked.status, "bytes 8 to 21: damaged before this" in checked.out) == (0, True)
    path.write_bytes(b'{"n":1}\nnot a record\n')
    assert cli("log", "verify", path, env=env).status == 3


def test_gaps_are_told_and_are_no_faults(env, tmp_path):
    """A full disk leaves a gap: count, times and reason, in verify and in stat; one that is not over yet as well."""

    class Full:
        def __init__(self) -> None:
            self.full = False

        def __getattr__(self, name: str):
            return getattr(os, name)

        def write(self, fd: int, data: bytes) -> int:
            if self.full:
                raise OSError(28, "No space left on device")
            return os.write(fd, data)

    files = Full()
    made = LogWriter(LogSettings(path=f"{tmp_path}/logs/"), log="exposure", writer="w", files=files)
    made.open()
    made.append(b"{}")
    for _ in range(3):
        files.full = True
        with pytest.raises(Exception, match="No space left"):
            made.append(b"{}")
    for _ in range(2):
        done = cli("log", "verify", tmp_path / "logs", env=env)
        assert (done.status, "1 gap of 3 records" in done.out) == (0, True)
        assert "gap: 3 records lost from 2" in done.out
        (gap,) = json.loads(cli("log", "stat", tmp_path / "logs", "--format", "json", env=env).out)["logs"][0]["gaps"]
        assert (gap["lost"], gap["reason"]) == (3, "No space left on device")
        files.full = False
        made.append(b"{}")
    made.close()


def test_stat(env, folder):
    """Files by their state, lines, writers, torn tails and the disk's room; a rate where a writer is at it."""
    done = cli("log", "stat", "--format", "json", env=env)
    assert done.status == 0, done.err
    exposures, outcomes = json.loads(done.out)["logs"]
    size = sum(path.stat().st_size for path in folder.glob("exposure-*.jsonl"))
    assert [exposures[name] for name in ("files", "open", "sealed", "packed", "left", "lines", "bytes", "rate")] == [
        2, 0, 2, 0, 0, 12, size, None,
    ]  # fmt: skip
    assert [outcomes[name] for name in ("files", "open", "sealed", "lines")] == [1, 1, 0, 2]
    assert outcomes["rate"] > 0
    assert list(exposures["writers"]) == ["w1", "w2"]
    assert exposures["free"] > 0
    kill_in_the_middle(fill(f"{folder}/", writer="dead"))
    assert cli("log", "repair", folder, env=env).status == 0
    text = cli("log", "stat", env=env).out
    assert f"exposure log {folder}" in text
    assert "0 open, 3 closed" in text
    assert "writer w2" in text
    assert "torn" in text


def test_stat_of_a_file(env, tmp_path):
    """A log that is one file: its writers, and whether one lives."""
    path = tmp_path / "exposures.jsonl"
    made = fill(path)
    (log,) = json.loads(cli("log", "stat", path, "--format", "json", env=env).out)["logs"]
    assert (log["open"], log["lines"], list(log["writers"])) == (1, 5, ["w"])
    made.close()
    (log,) = json.loads(cli("log", "stat", path, "--format", "json", env=env).out)["logs"]
    assert (log["open"], log["sealed"], log["rate"]) == (0, 1, None)


@pytest.mark.parametrize("place", ["logs/", "exposures.jsonl"])
def test_tail_is_in_the_order_of_writing(env, tmp_path, place):
    """The newest lines over all writers, whichever file they are in; the ones before a rotation too."""
    path = f"{tmp_path}/{place}"
    writers = [fill(path, writer=f"w{n}", lines=0) for n in range(3)]
    for number in range(30):
        writers[number * 7 % 3].append(b'{"n":%d}' % number)
        if number == 14 and not place.endswith("/"):
            (tmp_path / place).rename(tmp_path / f"{place}.1")
    asked = tmp_path / place
    for state in ("open", "closed"):
        done = cli("log", "tail", asked, env=env)
        assert [json.loads(line)["n"] for line in done.out.splitlines()] == list(range(20, 30)), state
        done = cli("log", "tail", asked, "-n", "25", env=env)
        assert [json.loads(line)["n"] for line in done.out.splitlines()] == list(range(5, 30)), state
        assert len(cli("log", "tail", asked, "-n", "100", env=env).out.splitlines()) == 30
        assert cli("log", "tail", asked, "-n", "0", env=env).out == ""
        for made in writers:
            made.close()


def test_many_lines_of_a_file_cost_as_much_as_they_are(env, tmp_path):
    """Reading backwards, what was read is not copied again with each piece."""
    path = tmp_path / "exposures.jsonl"
    path.write_bytes(b"".join(b'{"n":%d,"pad":"%s"}\n' % (n, b"x" * 480) for n in range(200_000)))
    began = time.monotonic()
    done = cli("log", "tail", path, "-n", 199_999, env=env)
    assert (done.status, done.out.count("\n"), done.out.startswith('{"n":1,')) == (0, 199_999, True)
    assert time.monotonic() - began < 8


def test_tail_of_several_logs_asks_which(env, folder):
    """Where a folder holds several, one is to be named; of the configured ones it is the exposure log."""
    done = cli("log", "tail", folder, env=env)
    assert (done.status, "Name one with --log" in done.err) == (1, True)
    assert len(cli("log", "tail", "--log", "outcome", env=env).out.splitlines()) == 2
    assert '"w2-' in cli("log", "tail", env=env).out


@pytest.mark.parametrize("place", ["logs/", "exposures.jsonl"])
def test_tail_follows_over_rotation_until_interrupted(env, tmp_path, place):
    """New lines of all writers come as they are written, also those in new segments and after a rename; Ctrl-C ends it
    with status 130 and without a word."""
    path = f"{tmp_path}/{place}"
    made = fill(path, writer="w1", lines=3)
    follower = subprocess.Popen(
        [*PROGRAM, "log", "tail", "-f", "-n", "2", str(tmp_path / place)], env=env, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert follower.stdout is not None
        assert [json.loads(follower.stdout.readline())["request_id"] for _ in range(2)] == ["w1-1", "w1-2"]
        for number in range(3):
            made.append(b'{"n":%d}' % number)
            assert json.loads(follower.stdout.readline()) == {"n": number}
            if place.endswith("/"):
                made.close()
                made = fill(path, writer=f"next-{number}", lines=0)
            else:
                (tmp_path / place).rename(tmp_path / f"{place}.{number}")
        other = fill(path, writer="w2", lines=1)
        assert json.loads(follower.stdout.readline()) == {"request_id": "w2-0"}
        other.close()
        made.close()
        time.sleep(0.3)
        follower.send_signal(signal.SIGINT)
        out, err = follower.communicate(timeout=20)
        assert (follower.returncode, out, err) == (130, "", "")
    finally:
        if follower.poll() is None:
            follower.kill()
            follower.communicate()


def test_help_has_examples(env):
    """Every command shows how it is called."""
    for command in ("verify", "repair", "stat", "tail"):
        done = program("log", command, "--help", env=env)
        assert done.status == 0
        assert f"recsys-service log {command}" in done.out.split("Example")[1]
