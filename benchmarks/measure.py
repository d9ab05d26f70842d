"""What the benchmarks share: processes with their time and peak memory, both sides in turn, the table at the end."""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil

SAMPLE_S = 0.05
MIB = 2**20
ANSWERS = (0, 2, 3)


@dataclass(frozen=True)
class Run:
    """One process from start to end. ``cpu``: user and system seconds of it and its children, which other programs on
    the machine change less. ``peak``: the largest sum of RSS over all of them, and ``disk`` the most that its temporary
    folder held, in bytes."""

    seconds: float
    cpu: float
    peak: int
    disk: int = 0


def process(command: list[str], *, expect: int | None = 0) -> Run:
    """Run a command and watch its memory and its temporary folder; its output is shown only when it fails, which is to
    end with another status than ``expect`` (None: with any but 0, 2 and 3, which are answers)."""
    with tempfile.TemporaryDirectory(prefix="recsys-bench-") as scratch:
        started, used = time.perf_counter(), _cpu_of_children()
        environment = {**os.environ, "TMPDIR": scratch}
        running = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        )
        peak = disk = 0
        while True:
            try:
                running.wait(SAMPLE_S)
                break
            except subprocess.TimeoutExpired:
                peak, disk = max(peak, _tree_rss(running.pid)), max(disk, _held(Path(scratch)))
        seconds = time.perf_counter() - started
        told = running.stdout.read()
    if running.returncode not in (ANSWERS if expect is None else (expect,)):
        sys.exit(f"{' '.join(command)} ended with status {running.returncode}:\n{told}")
    return Run(seconds, _cpu_of_children() - used, peak, disk)


def _held(folder: Path) -> int:
    """Bytes on the disk of all files below a folder, of which some may be going away."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(Path(root, name)).st_blocks * 512
            except FileNotFoundError:
                continue
    return total


def _cpu_of_children() -> float:
    """User and system seconds of all children that have ended."""
    found = resource.getrusage(resource.RUSAGE_CHILDREN)
    return found.ru_utime + found.ru_stime


def _tree_rss(pid: int) -> int:
    total = 0
    try:
        top = psutil.Process(pid)
        members = [top, *top.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for member in members:
        try:
            total += member.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


@dataclass(frozen=True)
class Rounds:
    """The runs of several sides that took turns, by side, in the order of the rounds."""

    runs: dict[str, list[Run]]

    def least(self, side: str) -> Run:
        """A side's least times and largest peaks."""
        of = self.runs[side]
        return Run(
            min(run.seconds for run in of),
            min(run.cpu for run in of),
            max(run.peak for run in of),
            max(run.disk for run in of),
        )

    def ratio(self, side: str, *others: str) -> float:
        """A side's time over the sum of the others' in the same round, the median of the rounds.

        Other users of the machine slow down all sides of a round alike, and not each round alike.
        """
        beside = zip(*(self.runs[other] for other in others), strict=True)
        sums = [sum(run.seconds for run in round_) for round_ in beside]
        return median(run.seconds / beneath for run, beneath in zip(self.runs[side], sums, strict=True))


def in_turn(sides: Mapping[str, Callable[[], Run]], repetitions: int) -> Rounds:
    """Run the sides one after the other, ``repetitions`` times over."""
    runs: dict[str, list[Run]] = {name: [] for name in sides}
    for _ in range(repetitions):
        for name, side in sides.items():
            runs[name].append(side())
    return Rounds(runs)


@dataclass(frozen=True)
class Row:
    """A line of the table: what was measured, the figure in words, the target in words, and whether it is met."""

    what: str
    figure: str
    target: str = ""
    met: bool | None = None


def at_most(what: str, value: float, limit: float, text: str = "{:.2f}") -> Row:
    """A figure that must not be greater than ``limit``."""
    return Row(what, text.format(value), f"≤ {limit:g}", value <= limit)


def at_least(what: str, value: float, limit: float, text: str = "{:.2f}") -> Row:
    """A figure that must not be less than ``limit``."""
    return Row(what, text.format(value), f"≥ {limit:g}", value >= limit)


def seconds(what: str, run: Run) -> Row:
    """A figure without a target: how long a side took, its CPU time and its peak memory."""
    return Row(what, f"{run.seconds:.2f} s, CPU {run.cpu:.2f} s, peak {run.peak / MIB:.0f} MiB")


def show(rows: list[Row], load_before: float) -> None:
    """Print the table, and how busy the machine was when the benchmark began and ended."""
    width = max(len(row.what) for row in rows)
    figures = max(len(row.figure) for row in rows)
    for row in rows:
        verdict = "" if row.met is None else "met" if row.met else "MISSED"
        print(f"{row.what:<{width}}  {row.figure:>{figures}}  {row.target:>10}  {verdict}".rstrip())
    print(f"load average before and after: {load_before:.2f}, {os.getloadavg()[0]:.2f}", flush=True)
