"""P6: processes that are killed at random never harm each other's lines; a live segment is never repaired."""

import fcntl
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from broken_writers import promise, recovery_of
from log_world import NOON, World, claim
from recsys.eventlog.audit.verify import verify_file, verify_folder
from recsys.eventlog.writing.recovery import recover
from recsys.eventlog.writing.segment import segments
from recsys.eventlog.writing.writer import LogSettings, LogWriter

APPEND = """
import importlib, os, sys
place, name, fsync, module, kind = sys.argv[1:]
sys.path.insert(0, os.environ["TESTS"])
from recsys.eventlog.writing.writer import LogSettings
writer = getattr(importlib.import_module(module), kind)
log = writer(LogSettings(path=place, fsync=fsync == "fsync", segment_bytes=60_000), log="exposure", writer=name)
log.open()
for number in range(10**9):
    log.append(b'{"writer":"%s","n":%d,"x":"%s"}' % (name.encode(), number, b"x" * (number * 37 % 3000)))
    os.write(1, b"%d\\n" % number)
"""
TESTS = Path(__file__).parents[1]


class _Processes:
    """Appending processes, each of which tells on its standard output what was acknowledged."""

    def __init__(self, base: Path, place: str, writer: type[LogWriter], *, fsync: bool) -> None:
        self.outputs: dict[str, Path] = {}
        self._base = base
        self._command = [place, "", "fsync" if fsync else "write", writer.__module__, writer.__qualname__]
        self._numbers = itertools.count()

    def start(self) -> subprocess.Popen[bytes]:
        """One more."""
        name = f"p{next(self._numbers)}"
        self.outputs[name] = self._base / f"{name}.out"
        arguments = [each or name for each in self._command]
        with self.outputs[name].open("wb") as out:
            return subprocess.Popen(
                [sys.executable, "-c", APPEND, *arguments], stdout=out, env=os.environ | {"TESTS": str(TESTS)}
            )  # fmt: skip

    def acknowledged(self) -> set[tuple[str, int]]:
        """What all of them told; a number without its newline counts for nothing."""
        return {
            (name, int(line))
            for name, path in self.outputs.items()
            for line in path.read_bytes().split(b"\n")[:-1]
        }  # fmt: skip


def _kill_at_random(processes: _Processes, *, between: object = None, seconds: float = 1.5) -> None:
    """Three processes; now and then one is killed and another started in its place, at last all are."""
    chance = random.Random(7)
    running = [processes.start() for _ in range(3)]
    try:
        deadline = time.monotonic() + 30
        while len({name for name, _ in processes.acknowledged()}) < 3 and time.monotonic() < deadline:
            if any(process.poll() is not None for process in running):
                break  # a broken one
            time.sleep(0.02)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(chance.uniform(0.05, 0.3))
            if callable(between):
                between()
            victim = chance.randrange(3)
            running[victim].send_signal(signal.SIGKILL)
            running[victim].wait()
            running[victim] = processes.start()
    finally:
        for process in running:
            process.kill()
            process.wait()


def _compare(lines: list[bytes], acknowledged: set[tuple[str, int]], *, fragments: bool = False) -> None:
    """Whole lines only, every acknowledged one once; a writer may have been killed before it told of its last ones."""
    there: Counter[tuple[str, int]] = Counter()
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            claim(False, f"no record: {line[:80]!r}")
            continue
        claim(len(record["x"]) == record["n"] * 37 % 3000, f"not as written: {line[:80]!r}")
        there[record["writer"], record["n"]] += 1
    claim(not (acknowledged - set(there)), f"acknowledged and gone: {sorted(acknowledged - set(there))[:9]}")
    claim(set(there.values()) <= {1}, "a line is there twice")
    assert acknowledged, "something was written"


@pytest.mark.parametrize("fsync", [False, True])
def test_p6_processes_killed_at_random_in_a_folder(tmp_path, fsync):
    """Each acknowledged line is there once, all is sealed by recovery (which also ran meanwhile), and verified."""
    folder = tmp_path / "logs"
    folder.mkdir()
    processes = _Processes(tmp_path, f"{folder}/", LogWriter, fsync=fsync)
    _kill_at_random(processes, between=lambda: list(recover(folder, "exposure", now=NOON)))
    list(recover(folder, "exposure", now=NOON))
    lines = [line for path in segments(folder, "exposure") for line in path.read_bytes().splitlines()]
    _compare(lines, processes.acknowledged())
    checked = list(verify_folder(folder, "exposure"))
    assert [str(fault) for each in checked for fault in each.faults] == []
    assert all(each.sealed for each in checked)
    assert not [gap for each in checked for gap in each.gaps]


@promise("p6 processes in a file")
@pytest.mark.parametrize("fsync", [False, True])
def test_p6_processes_killed_at_random_in_a_file(tmp_path, writer, fsync):
    """In one file too, with fragments of dead writers in between: no line is glued to one, and none is cut along."""
    path = tmp_path / "log.jsonl"
    processes = _Processes(tmp_path, str(path), writer, fsync=fsync)

    def plant() -> None:
        with path.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # it died in the middle of its write
            file.write(b'{"writer":"dead","n":1,"x":"' + b"y" * 100)
            file.flush()

    _kill_at_random(processes, between=plant, seconds=0.8)
    log = LogWriter(LogSettings(path=str(path)), log="exposure", writer="last")
    log.open()
    log.close()
    content = path.read_bytes()
    claim(content.endswith(b"\n"), "the file ends in a whole line")
    _compare(content.splitlines(), processes.acknowledged())
    kinds = {fault.kind for fault in verify_file(path).faults}
    claim(kinds <= {"unindexed"}, f"faults: {kinds}")  # a killed writer could not index its last line


@promise("p6 a live segment")
def test_p6_a_live_segment_is_never_repaired(tmp_path, writer):
    """Recovery passes over a segment that is written to, whatever it ends in, and repairs it once its writer ended."""
    world = World(tmp_path, writer, folder=True)
    log, dead = world.start(), world.start()
    for each in (log, dead):
        world.append(each, 2)
    world.kill(dead)
    with log.path.open("ab") as file:
        file.write(b'{"n":')  # as it may stand there in the middle of a write
    done = [each.path for each in recovery_of(writer)(world.logs, "exposure", now=NOON)]
    claim(log.path not in done, "a live segment was repaired")
    claim(len(done) == 1, f"recovered: {done}")
    os.truncate(log.path, log.path.stat().st_size - 5)
    world.append(log)
    world.kill()
    world.recover()
    world.check()


def test_p6_a_segment_that_recovery_looks_at_while_it_is_made(tmp_path):
    """A new segment that has no lock yet may be taken away as a dead one: it is made again, and nobody is told."""
    world = World(tmp_path, LogWriter, folder=True)
    log = world.start()
    process = world.processes[log]
    opened, looked = process.open, []

    def open_and_look(path, flags, mode=0o777):
        fd = opened(path, flags, mode)
        if str(path).endswith(".jsonl") and flags & os.O_CREAT and not looked:
            looked.append(path)
            list(recover(world.logs, "exposure", now=NOON))
            assert not Path(path).exists()
        return fd

    process.open = open_and_look
    assert world.append(log)
    assert looked
    log.close()
    world.check()
    assert [fault for each in verify_folder(world.logs, "exposure") for fault in each.faults] == []


def test_p6_two_recoveries_at_once_leave_nothing_behind(tmp_path):
    """Recovery that finds an empty segment gone, for another one was quicker, makes no index of its own."""
    world = World(tmp_path, LogWriter, folder=True)
    empty = world.logs / "exposure-2026-02-05.w-1.jsonl"
    empty.touch()
    process = world.disk.process()
    opened = process.open

    def open_late(path, flags, mode=0o777):
        fd = opened(path, flags, mode)
        if path == empty:
            process.open = opened
            list(recover(world.logs, "exposure", now=NOON))
        return fd

    process.open = open_late
    assert list(recover(world.logs, "exposure", now=NOON, files=process)) == []
    assert list(world.logs.iterdir()) == []
