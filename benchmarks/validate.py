"""``recsys-eval validate`` against the same number of processes that only decode each line."""

import os
import sys
from pathlib import Path

from benchmarks import data_made
from benchmarks.measure import MIB, Row, Run, at_most, in_turn, process, seconds, show
from recsys.demo.programs import command

PROCESSES = os.cpu_count() or 1
MOST = 1.6
FLAT = 1.1


def run(quick: bool) -> None:
    rows, repetitions = (100_000, 1) if quick else (1_000_000, 5)
    load = os.getloadavg()[0]
    once, twice, tenth = (data_made.exposures(size) for size in (rows, 2 * rows, rows // 10))
    sides = {
        "validate": lambda: _validate(once),
        "bare": lambda: _bare(once),
        "twice": lambda: _validate(twice),
        "tenth": lambda: _validate(tenth),
    }
    found = in_turn(sides, repetitions)
    checked, bare = found.least("validate"), found.least("bare")
    show(
        [
            seconds(f"validate, {rows:,} exposures of 10 items", checked),
            seconds(f"bare decode, {PROCESSES} processes", bare),
            at_most("validate / bare decode", found.ratio("validate", "bare"), MOST),
            Row(
                "rate",
                f"{rows / checked.seconds:,.0f} lines/s, {once.stat().st_size / MIB / checked.seconds:.0f} MiB/s",
            ),
            seconds("validate, twice the lines", found.least("twice")),
            at_most("peak memory, twice / once", found.least("twice").peak / checked.peak, FLAT),
            seconds("validate, a tenth of the lines", found.least("tenth")),
            Row("time, ten times the lines", f"{found.ratio('validate', 'tenth'):.1f}"),
        ],
        load,
    )


def _validate(path: Path) -> Run:
    return process(command("recsys-eval", "validate", "--schema", "exposure.v1", "--input", str(path)))


def _bare(path: Path) -> Run:
    return process([sys.executable, "-m", "benchmarks.bare", "decode", str(path), str(PROCESSES)])
