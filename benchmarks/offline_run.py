"""``recsys-eval run --mode offline`` to three reports, against a bare read of the exposures plus a bare decode."""

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import duckdb

from benchmarks import bare, data_made
from benchmarks.measure import MIB, Row, Run, at_most, in_turn, process, seconds, show
from recsys.demo.programs import command

PROCESSES = os.cpu_count() or 1
MOST = 2.5
MOST_TWICE = 2.2
MOST_PARQUET = 0.5
MOST_MIB = 1024
OUTCOME = {
    "request_id": "VARCHAR", "user_id": "VARCHAR", "item_id": "VARCHAR", "event_type": "VARCHAR", "ts": "TIMESTAMPTZ",
    "value": "DOUBLE",
}  # fmt: skip
EXPOSURE = {**bare.COLUMNS, "items": "STRUCT(item_id VARCHAR, rank INTEGER)[]"}


def run(quick: bool) -> None:
    rows, repetitions = (100_000, 1) if quick else (1_000_000, 5)
    load = os.getloadavg()[0]
    once, twice, tenth = _logs(rows), _logs(2 * rows), _logs(rows // 10)
    columnar = (parquet(once[0], EXPOSURE), parquet(once[1], OUTCOME))
    sides: dict[str, Callable[[], Run]] = {
        "read": lambda: process([sys.executable, "-m", "benchmarks.bare", "read", str(once[0])]),
        "run": lambda: _evaluate(*once),
        "decode": lambda: process([sys.executable, "-m", "benchmarks.bare", "decode", str(once[0]), str(PROCESSES)]),
        "parquet": lambda: _evaluate(*columnar),
        "twice": lambda: _evaluate(*twice),
        "tenth": lambda: _evaluate(*tenth),
    }
    found = in_turn(sides, repetitions)
    done, twice_done = found.least("run"), found.least("twice")
    show(
        [
            seconds(f"run, {rows:,} exposures, {rows // 5:,} outcomes, JSONL", done),
            seconds("bare typed read by DuckDB", found.least("read")),
            seconds(f"bare decode, {PROCESSES} processes", found.least("decode")),
            at_most("run / (bare read + bare decode)", found.ratio("run", "read", "decode"), MOST),
            at_most("peak memory, MiB", done.peak / MIB, MOST_MIB, "{:.0f}"),
            seconds("run, the same rows from Parquet", found.least("parquet")),
            at_most("Parquet / JSONL", found.ratio("parquet", "run"), MOST_PARQUET),
            seconds("run, twice the rows", twice_done),
            at_most("time, twice / once", found.ratio("twice", "run"), MOST_TWICE),
            Row("peak memory, twice / once", f"{twice_done.peak / done.peak:.2f}"),
            seconds("run, a tenth of the rows", found.least("tenth")),
            Row("time, ten times the rows", f"{found.ratio('run', 'tenth'):.1f}"),
        ],
        load,
    )


def _logs(rows: int) -> tuple[Path, Path]:
    return data_made.exposures(rows), data_made.outcomes(rows)


def _evaluate(exposures: Path, outcomes: Path) -> Run:
    with tempfile.TemporaryDirectory(prefix="recsys-bench-") as out:
        reports = [word for name in ("json", "md", "html") for word in ("--output", f"{out}/report.{name}")]
        both = ["--exposures", str(exposures), "--outcomes", str(outcomes)]
        return process(command("recsys-eval", "run", "--mode", "offline", *both, *reports))


def parquet(path: Path, columns: dict[str, str]) -> Path:
    """The same rows as Parquet, made once."""
    made = path.with_suffix(".parquet")
    if not made.exists():
        part = path.with_suffix(".parquet.part")
        kinds = ", ".join(f"{name}: '{kind}'" for name, kind in columns.items())
        with duckdb.connect() as connection:
            connection.execute(
                f"COPY (SELECT * FROM read_json('{path}', format = 'newline_delimited', columns = {{{kinds}}})) "
                f"TO '{part}' (FORMAT parquet, COMPRESSION zstd)"
            )
        part.rename(made)
    return made
