"""``run --mode experiment`` from Parquet against DuckDB's bare per-user aggregate of the same columns; merged moments
against the interpreter with its number libraries; the bootstrap against one matrix product."""

import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import duckdb
import numpy as np

from benchmarks import experiment_data
from benchmarks.measure import MIB, Row, at_most, in_turn, process, seconds, show
from recsys.demo.programs import command
from recsys.statistics import bootstrap

CONFIG = "experiment: {control_variant: A, candidate_variant: B}\n"
MOST_OF_BARE = 3.0
MOST_OF_START = 2.0
MOST_OF_PRODUCT = 5.0
READY = [sys.executable, "-c", "import numpy, scipy.special"]


def run(quick: bool) -> None:
    users, repetitions = (100_000, 1) if quick else (1_000_000, 3)
    load = os.getloadavg()[0]
    large, small = experiment_data.made(users), experiment_data.made(2_000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config, moments = folder / "experiment.yaml", folder / "moments.json"
        config.write_text(CONFIG)
        _evaluate(small, config, "--moments", str(moments))
        merged = ["--mode", "experiment", "--config", str(config), "--from-moments", str(moments)]
        merged += ["--output", str(folder / "merged.json")]
        found = in_turn(
            {
                "run": lambda: _evaluate(large, config),
                "start": lambda: _evaluate(small, config),
                "bare": lambda: process([sys.executable, "-m", "benchmarks.experiment", str(large)]),
                "ready": lambda: process(READY),
                "merged": lambda: process(command("recsys-eval", "run", *merged), expect=None),
            },
            repetitions,
        )
    work = [one.seconds - start.seconds for one, start in zip(found.runs["run"], found.runs["start"], strict=True)]
    ratio = median(own / bare.seconds for own, bare in zip(work, found.runs["bare"], strict=True))
    drawn, product = _bootstrap()
    show(
        [
            seconds(
                f"experiment of {users:,} users, {users * experiment_data.LISTS_PER_USER:,} exposures",
                found.least("run"),
            ),
            Row("  peak memory, MiB", f"{found.least('run').peak / MIB:.0f}"),
            seconds("the same of 2,000 users: start-up", found.least("start")),
            seconds("bare: DuckDB's per-user aggregate of the same columns", found.least("bare")),
            at_most("  (run − start-up) / bare", ratio, MOST_OF_BARE),
            seconds("run --from-moments to JSON", found.least("merged")),
            seconds("the interpreter with numpy and scipy.special", found.least("ready")),
            at_most("  merged / interpreter", found.ratio("merged", "ready"), MOST_OF_START),
            Row("bootstrap: 1,000 replicates, 1,000 buckets, ten ratios, ms", f"{drawn * 1e3:.2f}"),
            Row("one matrix product of that size, ms", f"{product * 1e3:.2f}"),
            at_most("  bootstrap / product", drawn / product, MOST_OF_PRODUCT),
        ],
        load,
    )


def _evaluate(folder: Path, config: Path, *more: str):
    logs = [f"--{role}={folder}/{role}" for role in ("exposures", "outcomes", "assignments")]
    options = ["--mode", "experiment", "--config", str(config), *more]
    return process(command("recsys-eval", "run", *options, *logs), expect=None)


def _bootstrap() -> tuple[float, float]:
    """The least of many rounds of both, in seconds."""
    rng = np.random.default_rng(1)
    n = rng.poisson(30, (1_000, 10))
    y = rng.binomial(n, 0.1)
    weights, sums = rng.poisson(1, (1_000, 1_000)).astype(float), np.concatenate([y, n], axis=1).astype(float)
    drawn, product = [], []
    for seed in range(50):
        started = time.perf_counter()
        bootstrap.ratios(y, n, bootstrap.replicates(seed, 1_000, 1_000)).std(axis=0)
        between = time.perf_counter()
        weights @ sums
        product.append(time.perf_counter() - between)
        drawn.append(between - started)
    return min(drawn), min(product)


def _bare(folder: Path) -> None:
    connection = duckdb.connect()
    for role, chosen in {
        "exposures": "count(*), min(request_id), min(ts), sum(len(items)), min(items[1].item_id), count_if(error), "
        "sum(latency_ms), min(context['tenant_id']), min(context['surface'])",
        "outcomes": "count(*), min(request_id), min(ts), min(item_id), min(event_type), sum(value)",
        "assignments": "count(*), min(request_id), min(ts), min(experiment_id), min(variant)",
    }.items():
        query = f"CREATE TABLE {role} AS SELECT user_id, {chosen} FROM '{folder}/{role}/*.parquet' GROUP BY user_id"
        connection.execute(query)


if __name__ == "__main__":
    _bare(Path(sys.argv[1]))
