"""``recsys-eval run`` on Spark against DuckDB: the same logs, the same report; time and memory of both."""

import json
import math
import os
import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from benchmarks import data_made
from benchmarks.measure import Row, Run, process, seconds, show
from benchmarks.offline_run import EXPOSURE, OUTCOME, parquet
from recsys.demo.programs import command

SPARK = ["--engine", "spark", "--master", f"local[{os.cpu_count()}]"]
ENGINES = {"DuckDB": [], "Spark": SPARK}
CLOSE = 1e-9


def run(quick: bool) -> None:
    if shutil.which("java") is None or find_spec("pyspark") is None:
        print("not measured: Spark needs a Java Runtime 17 or newer, and PySpark (make .venv/spark.stamp)")
        return
    rows = 100_000 if quick else 1_000_000
    load = os.getloadavg()[0]
    table = []
    for kind in ("Parquet", "JSONL"):
        for count in (rows // 10, rows):
            logs = _logs(count, kind)
            found = {name: _evaluate(logs, options) for name, options in ENGINES.items()}
            table += [seconds(f"{name}, {count:,} exposures, {kind}", done) for name, (done, _) in found.items()]
            (duckdb, one), (spark, other) = found.values()
            table.append(Row("  Spark / DuckDB", f"{spark.seconds / duckdb.seconds:.1f} in time, "
                                                  f"{spark.peak / duckdb.peak:.1f} in memory"))  # fmt: skip
            table.append(Row("  figures", _agreement(one, other), "the same", _agreement(one, other) != "DIFFERENT"))
    show(table, load)


def _logs(rows: int, kind: str) -> tuple[Path, Path]:
    files = data_made.exposures(rows), data_made.outcomes(rows)
    return (parquet(files[0], EXPOSURE), parquet(files[1], OUTCOME)) if kind == "Parquet" else files


def _evaluate(logs: tuple[Path, Path], options: list[str]) -> tuple[Run, dict]:
    with tempfile.TemporaryDirectory(prefix="recsys-bench-") as out:
        report = Path(out) / "report.json"
        words = ["--exposures", str(logs[0]), "--outcomes", str(logs[1]), "--output", str(report), *options]
        done = process(command("recsys-eval", "run", *words))
        return done, json.loads(report.read_text())


def _agreement(one: dict, other: dict) -> str:
    """Whether all counts are equal, and all other figures to 1e-9."""
    parts = [{key: report[key] for key in ("data_quality", "results", "hours", "clicks_by_rank")}
             for report in (one, other)]  # fmt: skip
    if parts[0] == parts[1]:
        return "the same, to the last bit"
    return "the same, to 1e-9" if _close(*parts) else "DIFFERENT"


def _close(one: object, other: object) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_close(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_close, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=CLOSE, abs_tol=1e-12)
    return one == other


if __name__ == "__main__":
    run("--quick" in sys.argv)
