"""``recsys-eval run`` on 1 and 10 million exposures of 10 items, with its usual memory and with 1 GB, against a plain
read of the same Parquet files."""

import os
import sys
from pathlib import Path

import duckdb

from benchmarks import compact
from benchmarks.measure import MIB, Row, Run, at_most, in_turn, process, seconds, show
from recsys.demo.programs import command

MOST_MIB = 2 * 10**9 / MIB
MOST = 2.0
LITTLE = "1GB"


def run(quick: bool) -> None:
    few, many, repetitions = (100_000, 1_000_000, 1) if quick else (1_000_000, 10_000_000, 2)
    load = os.getloadavg()[0]
    small, large = compact.compacted(few), compact.compacted(many)
    found = in_turn(
        {
            "few": lambda: _evaluate(small),
            "many": lambda: _evaluate(large),
            "little": lambda: _evaluate(large, "--memory-limit", LITTLE),
            "bare": lambda: process([sys.executable, "-m", "benchmarks.scale", str(large)]),
            "doctor": lambda: process(command("recsys-eval", "doctor", *_logs(small), "--now", "2026-02-01T00:00:00Z")),
        },
        repetitions,
    )
    usual = found.least("many")
    show(
        [
            seconds(f"run, {few:,} exposures", found.least("few")),
            seconds(f"run, {many:,} exposures", usual),
            Row("  growth of time for 10 times the input", f"{usual.seconds / found.least('few').seconds:.1f}"),
            at_most("  peak memory, MiB", usual.peak / MIB, MOST_MIB, "{:.0f}"),
            seconds(f"run, {many:,} exposures, --memory-limit {LITTLE}", found.least("little")),
            at_most("  1 GB / usual memory, in time", found.ratio("little", "many"), MOST),
            seconds("plain read of the same files: every column of every row, by DuckDB", found.least("bare")),
            Row("  run / plain read", f"{found.ratio('many', 'bare'):.1f}"),
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


if __name__ == "__main__":
    _plain_read(Path(sys.argv[1]))
