"""A run that is killed, and started again, leaves what an undisturbed one leaves: byte for byte, whenever it was."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from compact_worlds import exposure, outcome, run, tree, write
from lossy_logs import BEGUN, FULL
from recsys.eventlog.writing.index import Gap, Header, encoded, header_line

PROGRAM = Path(sys.executable).with_name("recsys-eval")
TESTS = Path(__file__).parents[2]

# Each run is a process of its own, forked from one that has no engine and no threads yet
DRIVER = """
import json, os, sys
from pathlib import Path
from compact_worlds import Mortal, run

def child(folder, files=os):
    pid = os.fork()
    if not pid:
        run(Path(folder), files=files, batch_bytes=limit, **logs)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

limit, logs, plans = json.loads(sys.stdin.read())
for folder, kills in plans:
    print(*[child(folder, Mortal(kill) if kill else os) for kill in kills], flush=True)
"""


def drive(plans, logs, limit):
    """Runs on folders: of each plan the folder, and for each run the operation that it does not live to see, 0 for
    none. Returns the exit codes."""
    done = subprocess.run(
        [sys.executable, "-c", DRIVER], input=json.dumps([limit, logs, plans]), capture_output=True, text=True,
        check=False, cwd=TESTS, timeout=1100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [[int(code) for code in line.split()] for line in done.stdout.splitlines()]


@pytest.fixture
def world(tmp_path):
    """A folder that holds the first half of the logs; the logs, of which one has grown, one has a bad line, and one a
    gap in its index; and the folder as it is when all of them are in it."""
    log = tmp_path / "logs"
    shown = log / "exposure-2026-02-05.w1-1.jsonl"
    write(shown, [exposure(number, context={"tenant_id": "t"}) for number in range(6)])
    header = Header(log="exposure", file=shown.name, writer="w1", sequence=1, opened=BEGUN)
    gap = Gap(lost=3, first=BEGUN, last=BEGUN, reason=FULL)
    shown.with_name(f"{shown.name}.index").write_bytes(header_line(header) + encoded(gap))
    clicks = [write(log / f"o{n}.jsonl", [outcome(number) for number in range(n, 9, 3)]) for n in range(2)]
    before = tmp_path / "before"
    run(before, exposures=[str(shown)], outcomes=clicks[:1])
    with shown.open("ab") as file:
        file.write(json.dumps(exposure(50, context={"tenant_id": "t"})).encode() + b"\nbad\n")
    logs = {"exposures": [str(log / "exposure-*.jsonl")], "outcomes": [str(log / "o*.jsonl")]}
    shutil.copytree(before, tmp_path / "whole")
    run(tmp_path / "whole", batch_bytes=1, **logs)
    return before, logs, tree(tmp_path / "whole")


def operations(folder, before, logs):
    """How many operations an undisturbed run has."""
    from compact_worlds import Mortal

    shutil.copytree(before, folder)
    counter = Mortal()
    run(folder, files=counter, batch_bytes=1, **logs)
    return counter.calls


def killed_at(tmp_path, world, plans):
    """Kill runs as planned; then one that is left alone gives the folder of an undisturbed run."""
    before, logs, whole = world
    folders = [tmp_path / f"killed-{number}" for number in range(len(plans))]
    for folder in folders:
        shutil.copytree(before, folder)
    codes = drive([[str(folder), [*plan, 0]] for folder, plan in zip(folders, plans, strict=True)], logs, 1)
    for folder, plan, ended in zip(folders, plans, codes, strict=True):
        assert ended[0] == -signal.SIGKILL, plan
        assert ended[-1] == 0, plan
        assert tree(folder) == whole, plan


def test_killed_at_some_operations(tmp_path, world):
    """At operations that change a file, from the first to the last: opening, writing, flushing, moving, removing."""
    last = operations(tmp_path / "counted", *world[:2])
    assert last > 50
    killed_at(tmp_path, world, [[1 + number * (last - 1) // 6] for number in range(7)])


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_killed_at_any_operation(tmp_path, world):
    """At each operation that changes a file, and once more while the next run completes or undoes what was left."""
    last = operations(tmp_path / "counted", *world[:2])
    chance = random.Random(7)
    killed_at(tmp_path, world, [[number, chance.randint(1, last)] for number in range(1, last + 1)])


def test_killed_from_the_beginning(tmp_path, world):
    """A first run, into a folder that is not there yet, at its first operations and in the middle of its first
    commit."""
    _, logs, _ = world
    run(tmp_path / "whole-2", batch_bytes=1, **logs)
    folders = [str(tmp_path / f"first-{number}") for number in (2, 9, 19)]
    codes = drive([[folder, [int(folder.rpartition("-")[2]), 0]] for folder in folders], logs, 1)
    assert codes == [[-signal.SIGKILL, 0]] * len(folders)
    for folder in folders:
        assert tree(Path(folder)) == tree(tmp_path / "whole-2")


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_program_killed_at_any_time(tmp_path):
    """The program itself, while it reads, checks, sorts or writes; started again until it is through."""
    logs = []
    for role, record in (("exposures", exposure), ("outcomes", outcome)):
        rows = [record(number, request_id=f"r{number * 7919 % 30_011}") for number in range(30_000)]
        logs += [f"--{role}", write(tmp_path / f"{role}.jsonl", rows)]
    command = [PROGRAM, "compact", *logs, "--output"]
    started = time.monotonic()
    subprocess.run([*command, tmp_path / "whole"], check=True, capture_output=True)
    takes = time.monotonic() - started
    chance = random.Random(3)
    for number in range(12):
        folder = tmp_path / f"killed-{number}"
        with subprocess.Popen([*command, folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              env={**os.environ, "TMPDIR": str(tmp_path)}) as process:  # fmt: skip
            time.sleep(takes * chance.uniform(0.2, 1))
            process.kill()
        subprocess.run([*command, folder], check=True, capture_output=True)
        assert tree(folder) == tree(tmp_path / "whole"), number
