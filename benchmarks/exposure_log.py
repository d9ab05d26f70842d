"""What the exposure log costs: the same service without a log, with each line written before its reply, and with each
line on the disk before its reply. And what a crash costs: a segment of 1 GB is recovered, beside a plain read of it.

The three services run at once, one worker each, and are asked in turn, so that whatever else the machine does meets all
of them. The service that is not asked does nothing.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.measure import MIB, Row, at_least, at_most, show
from benchmarks.recommend import EVENTS, ITEMS, SHOPPERS, K, Measured, make_bodies, prepare, send, service
from recsys.demo import shop
from recsys.eventlog.writing import recovery
from recsys.eventlog.writing.segment import index_of
from recsys.eventlog.writing.writer import LogSettings, LogWriter

SIDES = {
    "no log": {},
    "written before the reply": {"EXPOSURE_LOG_FSYNC": "false"},
    "on the disk before the reply": {"EXPOSURE_LOG_FSYNC": "true"},
}
CONNECTIONS = 32
RATE = 1_000
"""Requests a second at which latencies are compared; then all sides are asked as fast as they answer."""
WRITTEN_CPU, DURABLE_CPU, DURABLE_RATE = 1.3, 1.9, 0.6
SEGMENT_BYTES = 10**9
LINE_BYTES = 1_500


def run(quick: bool) -> None:
    requests, repetitions = (4_000, 2) if quick else (10_000, 5)
    load = os.getloadavg()[0]
    folder = Path(tempfile.mkdtemp(prefix="recsys-bench-"))
    folder.chmod(0o755)  # run by root, PostgreSQL drops to another user, who must be able to enter
    try:
        rows = [*_served(folder, requests, repetitions), *_recovered(folder, quick, repetitions)]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    show(rows, load)


def _served(folder: Path, requests: int, repetitions: int) -> list[Row]:
    store = shop.open_shop(7, items=ITEMS, shoppers=SHOPPERS)
    bodies = make_bodies(store, folder / "bodies.jsonl", requests)
    shared = {"RECSYS_DATA_DIR": str(folder), "EXPOSURE_HASH_SALT": "the benchmark's people do not exist either"}
    key = prepare(store, folder, shared, EVENTS)
    busy: list[list[Measured]] = []
    calm: list[list[Measured]] = []
    with ExitStack() as stack:
        services = []
        for number, settings in enumerate(SIDES.values()):
            logs = folder / f"logs-{number}"
            log = {"EXPOSURE_LOG_PATH": f"{logs}/", "EXPOSURE_LOG_FORMAT": "eval_v1"} if settings else {}
            own = folder / f"side-{number}"
            own.mkdir()
            services.append(stack.enter_context(service(own, {**shared, **settings, **log})))
        for side in services:
            send(side, bodies, key, connections=CONNECTIONS)
        for _ in range(repetitions):
            calm.append([send(side, bodies, key, RATE, CONNECTIONS) for side in services])
            busy.append([send(side, bodies, key, 0, CONNECTIONS) for side in services])
    asked = requests * (2 * repetitions + 1)
    logged = [_lines(folder / f"logs-{number}") for number in (1, 2)]
    cpu = [_ratio(busy, side, lambda found: found.cpu_us) for side in (1, 2)]
    rate = _ratio(busy, 2, lambda found: found.rate)
    names = list(SIDES)
    return [
        *(_row(f"{names[side]}, {RATE:,} requests/s", [found[side] for found in calm]) for side in range(3)),
        *(_row(f"{names[side]}, flat out", [found[side] for found in busy]) for side in range(3)),
        at_most("CPU per request, written / no log", cpu[0], WRITTEN_CPU),
        at_most("CPU per request, on the disk / no log", cpu[1], DURABLE_CPU),
        at_least("requests per second, on the disk / no log", rate, DURABLE_RATE),
        Row("exposures in both logs", f"{logged[0]:,}, {logged[1]:,}", f"= {asked:,}", logged == [asked, asked]),
    ]


def _lines(folder: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in folder.glob("*.jsonl"))


def _ratio(rounds: list[list[Measured]], side: int, figure: Callable[[Measured], float]) -> float:
    return median(figure(found[side]) / figure(found[0]) for found in rounds)


def _row(what: str, rounds: list[Measured]) -> Row:
    cpu, rate = median(found.cpu_us for found in rounds), median(found.rate for found in rounds)
    p50, p99 = median(found.p50_ms for found in rounds), median(found.p99_ms for found in rounds)
    return Row(
        f"recommend k={K}, {CONNECTIONS} connections, {what}",
        f"{cpu:.0f} µs CPU/request, {rate:,.0f} requests/s, p50 {p50:.1f} ms, p99 {p99:.1f} ms",
    )


def _recovered(folder: Path, quick: bool, repetitions: int) -> list[Row]:
    """A segment whose writer was killed, with its index and without."""
    size = SEGMENT_BYTES // 10 if quick else SEGMENT_BYTES
    path = _unsealed(folder / "crashed", size)
    index = index_of(path)
    kept = index.read_bytes()
    times: dict[str, list[float]] = {"read": [], "with": [], "without": []}
    for _ in range(repetitions):
        times["read"].append(_timed(lambda: _read(path)))
        index.write_bytes(kept)
        times["with"].append(_timed(lambda: _recover(path)))
        index.unlink()
        times["without"].append(_timed(lambda: _recover(path)))
    read, with_index, without = (median(found) for found in times.values())
    what = f"{size / MIB:,.0f} MiB, {len(kept) / MIB:.0f} MiB of index"
    return [
        Row(f"a plain read of a segment, {what}", f"{read:.2f} s"),
        at_most("its recovery / that read", with_index / read, 1.0),
        Row("its recovery without the index / that read", f"{without / read:.1f} ({size / MIB / without:,.0f} MiB/s)"),
    ]


def _unsealed(folder: Path, size: int) -> Path:
    log = LogWriter(LogSettings(path=f"{folder}/"), log="exposure", writer="w")
    log.open()
    line = b'{"rest":"' + b"x" * (LINE_BYTES - 12) + b'"}'
    for _ in range(size // LINE_BYTES):
        log.append(line)
    path = log.path
    kept = index_of(path).read_bytes()
    log.close()
    index_of(path).write_bytes(kept)
    return path


def _read(path: Path) -> None:
    with path.open("rb", buffering=0) as file:
        while file.read(recovery.BLOCK_BYTES):
            pass


def _recover(path: Path) -> None:
    if recovery.recover_segment(path, now=datetime.now(UTC)) is None:
        sys.exit("the segment was sealed already")


def _timed(work: Callable[[], None]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
