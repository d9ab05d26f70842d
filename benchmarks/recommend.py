"""``recsys-service serve`` with one worker and its exposure log on, against a bare ASGI application on uvicorn.

Both sides at the same rate of requests first: that is what the ratio is of, for what the system charges a process for
sleeping and waking is then the same. Then both as fast as they can: a bare application that is kept busy reads many
requests at each waking, and hardly pays for any.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import msgspec
import numpy as np
import psutil

from benchmarks.measure import MIB, Row, at_most, show
from recsys.demo import programs, shop, shoppers

ITEMS, EVENTS, SHOPPERS = 5_000, 200_000, 20_000
K, CONNECTIONS = 20, 8
RATE = 2_000
"""Requests a second for both sides: two thirds of what one worker can do here."""
MOST = 6.0
TENANT = "bench"


@dataclass(frozen=True)
class Measured:
    """One round on one side. ``cpu_us``: user and system time of the worker for a request."""

    cpu_us: float
    rate: float
    p50_ms: float
    p99_ms: float


def run(quick: bool) -> None:
    requests, repetitions = (4_000, 1) if quick else (20_000, 3)
    events = EVENTS // 10 if quick else EVENTS
    load = os.getloadavg()[0]
    folder = Path(tempfile.mkdtemp(prefix="recsys-bench-"))
    folder.chmod(0o755)  # run by root, PostgreSQL drops to another user, who must be able to enter
    try:
        store = shop.open_shop(7, items=ITEMS, shoppers=SHOPPERS)
        bodies = make_bodies(store, folder / "bodies.jsonl", requests)
        settings = {
            "RECSYS_DATA_DIR": str(folder), "EXPOSURE_LOG_PATH": str(folder / "exposures.jsonl"),
            "EXPOSURE_LOG_FORMAT": "eval_v1", "EXPOSURE_HASH_SALT": "the benchmark's people do not exist either",
        }  # fmt: skip
        key = prepare(store, folder, settings, events)
        with service(folder, settings) as served, _bare() as bare:
            send(served, bodies, key)  # what a worker keeps of the past is known by then, as on any but a first day
            send(bare, bodies, key)
            rounds = [
                [send(side, bodies, key, rate) for rate in (RATE, 0) for side in (served, bare)]
                for _ in range(repetitions)
            ]
            resident = served[1].memory_info().rss
        logged = sum(1 for _ in (folder / "exposures.jsonl").open("rb"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    asked = requests * (2 * repetitions + 1)
    at_rate, flat_out = [round_[:2] for round_ in rounds], [round_[2:] for round_ in rounds]
    (ours, bare_one), (ours_busy, bare_busy) = map(_least, (at_rate, flat_out))
    what = f"recommend, {ITEMS:,} items, {events:,} events, k={K}"
    show(
        [
            _row(f"{what}, {RATE:,} requests/s", ours),
            _row(f"bare uvicorn, JSON in, as much JSON out, {RATE:,} requests/s", bare_one),
            at_most("CPU per request, recommend / bare, at the same rate", _ratio(at_rate), MOST),
            _row(f"{what}, flat out", ours_busy),
            _row("bare uvicorn, flat out", bare_busy),
            Row("CPU per request, recommend / bare, flat out", f"{_ratio(flat_out):.2f}"),
            Row("worker's memory", f"{resident / MIB:.0f} MiB"),
            Row("exposures in the log", f"{logged:,}", f"= {asked:,}", logged == asked),
        ],
        load,
    )


def _least(rounds: list[list[Measured]]) -> tuple[Measured, ...]:
    """Of each side, the round with the least CPU time."""
    return tuple(min(side, key=lambda found: found.cpu_us) for side in zip(*rounds, strict=True))


def _ratio(rounds: list[list[Measured]]) -> float:
    """CPU time a request of the first side over the second's, the median of the rounds."""
    return median(ours.cpu_us / bare.cpu_us for ours, bare in rounds)


def _row(what: str, found: Measured) -> Row:
    return Row(
        what,
        f"{found.cpu_us:.0f} µs CPU/request, {found.rate:,.0f} requests/s, p50 {found.p50_ms:.1f} ms, "
        f"p99 {found.p99_ms:.1f} ms",
    )


def make_bodies(store: shop.Shop, path: Path, requests: int) -> Path:
    """Page views of many shoppers, three in ten of them on an item's page."""
    lines = []
    for visit in shoppers.plan(store, requests):
        body = {
            "surface": visit.surface,
            "k": K,
            "user": {"user_id": shop.shopper_id(visit.shopper)},
            "context": {"device": visit.device},
        }
        if visit.anchor is not None:
            body["anchors"] = {"item_ids": [shop.item_id(visit.anchor)]}
        lines.append(msgspec.json.encode(body) + b"\n")
    path.write_bytes(b"".join(lines))
    return path


def prepare(store: shop.Shop, folder: Path, settings: dict[str, str], events: int) -> str:
    """A tenant with its catalogue and history; returns its API key."""
    env = programs.environment(settings)
    items, history = folder / "items.jsonl", folder / "events.jsonl"
    shop.write_items(store, items)
    shop.write_events(store, history, events=events)
    programs.run("recsys-service", "migrate", env=env)
    programs.run("recsys-service", "tenant", "create", TENANT, env=env)
    key = programs.run("recsys-service", "key", "create", "--tenant", TENANT, env=env).strip().splitlines()[-1]
    programs.run("recsys-service", "import", "items", str(items), "--tenant", TENANT, env=env)
    programs.run("recsys-service", "import", "events", str(history), "--tenant", TENANT, env=env)
    return key


@contextmanager
def service(folder: Path, settings: dict[str, str]) -> Iterator[tuple[int, psutil.Process]]:
    """The service's port and its one worker."""
    port = programs.free_port()
    env = programs.environment({**settings, "API_ADDR": f"127.0.0.1:{port}"})
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    with programs.serving(env=env, port=port, workers=1, log=folder / "service.log"):
        started = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
        (worker,) = [child for child in started if "spawn_main" in " ".join(child.cmdline())]
        yield port, worker


@contextmanager
def _bare() -> Iterator[tuple[int, psutil.Process]]:
    """The bare application's port and process, with the event loop and the HTTP parser of the service."""
    port = programs.free_port()
    options = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--no-server-header"]
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "benchmarks.bare_app:app", "--port", str(port), "--log-level", "warning",
         "--lifespan", "off", *options]
    )  # fmt: skip
    try:
        for _ in range(100):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/").close()
                break
            except OSError:
                time.sleep(0.1)
        yield port, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def send(
    side: tuple[int, psutil.Process], bodies: Path, key: str, rate: int = 0, connections: int = CONNECTIONS
) -> Measured:
    """All the bodies to one side, at ``rate`` requests a second, 0: as fast as it answers."""
    port, worker = side
    before = worker.cpu_times()
    told_in = bodies.with_suffix(".told.json")
    subprocess.run(
        [sys.executable, "-m", "benchmarks.client", str(port), str(connections), str(rate), str(bodies), str(told_in)],
        env={**os.environ, "BENCH_API_KEY": key}, check=True,
    )  # fmt: skip
    after = worker.cpu_times()
    told = json.loads(told_in.read_bytes())
    latencies = told["latencies_ms"]
    used = after.user + after.system - before.user - before.system
    p50, p99 = np.percentile(latencies, [50, 99]).tolist()
    return Measured(used / len(latencies) * 1e6, len(latencies) / told["seconds"], p50, p99)
