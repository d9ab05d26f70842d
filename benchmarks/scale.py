"""``recsys-eval run`` on 1 and 10 million exposures of 10 items, with its usual memory and with 1 GB, against a plain
read of the same Parquet files; and how much of it checks them."""

import os
import sys
import tempfile
from pathlib import Path

import duckdb

from benchmarks import compact
from benchmarks.measure import MIB, Row, Run, at_most, in_turn, process, seconds, show
from recsys.demo.programs import command

MOST_MIB = 2 * 10**9 / MIB
MOST = 2.0
LITTLE = "1GB"
NOW = "2026-01-20T00:00:00Z"


def run(quick: bool) -> None:
    few, many, repetitions = (100_000, 1_000_000, 1) if quick else (1_000_000, 10_000_000, 2)
    load = os.getloadavg()[0]
    small, large = compact.compacted(few), compact.compacted(many)
    found = in_turn(
        {
            "few": lambda: _evaluate(small),
            "many": lambda: _evaluate(large),
            "little": lambda: _evaluate(large, "--memory-limit", LITTLE),
            "bare": lambda: process([sys.executable, "-m", "benchmarks.scale", "read", str(large)]),
            "check": lambda: process([sys.executable, "-m", "benchmarks.scale", "check", str(large)]),
            # Chance puts an item into some of these lists twice, which it tells
            "doctor": lambda: process(command("recsys-eval", "doctor", *_logs(small), "--now", NOW), expect=2),
        },
        repetitions,
    )
    usual, little = found.least("many"), found.least("little")
    show(
        [
            seconds(f"run, {few:,} exposures", found.least("few")),
            seconds(f"run, {many:,} exposures", usual),
            Row("  growth of time for 10 times the input", f"{usual.seconds / found.least('few').seconds:.1f}"),
            at_most("  peak memory, MiB", usual.peak / MIB, MOST_MIB, "{:.0f}"),
            Row("  temporary files, MiB", f"{usual.disk / MIB:.0f}"),
            seconds(f"run, {many:,} exposures, --memory-limit {LITTLE}", little),
            at_most("  1 GB / usual memory, in time", found.ratio("little", "many"), MOST),
            Row("  temporary files, MiB", f"{little.disk / MIB:.0f}"),
            seconds("plain read of the same files: every column of every row, by DuckDB", found.least("bare")),
            Row("  run / plain read", f"{found.ratio('many', 'bare'):.1f}"),
            seconds("  of the run, the check of every row", found.least("check")),
            seconds(f"doctor, {few:,} exposures", found.least("doctor")),
        ],
        load,
    )


def _logs(folder: Path) -> list[str]:
    return [f"--exposures={folder}/exposures", f"--outcomes={folder}/outcomes"]


def _evaluate(folder: Path, *options: str) -> Run:
    return process(
        command("recsys-eval", "run", *_logs(folder), "--output", os.devnull, "--output-format", "json", *options)
    )


def _plain_read(folder: Path) -> None:
    """Every value of both logs is decoded, and nothing is done with it."""
    with duckdb.connect() as connection:
        connection.execute("SET memory_limit = '1GB'")
        for role in ("exposures", "outcomes"):
            files = f"read_parquet('{folder}/{role}/**/*.parquet', hive_partitioning = false)"
            columns = [row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {files}").fetchall()]
            kept = ", ".join(f"count({name}::VARCHAR)" for name in columns)
            connection.execute(f"SELECT {kept} FROM {files}").fetchall()


def _check(folder: Path) -> None:
    """What is done, on the machine of the command, before an engine sees a row."""
    from recsys.attribution.sources import accept_dataset, from_options

    with tempfile.TemporaryDirectory() as scratch:
        accept_dataset(from_options([f"{folder}/exposures"], [f"{folder}/outcomes"]), Path(scratch))


if __name__ == "__main__":
    {"read": _plain_read, "check": _check}[sys.argv[1]](Path(sys.argv[2]))
