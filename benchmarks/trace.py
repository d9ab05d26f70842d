"""``recsys-eval trace``: one request of 10 million compacted exposures, and of JSON lines against a bare search."""

import os
import sys
from pathlib import Path

from benchmarks import compact, data_made
from benchmarks.measure import MIB, Run, at_most, in_turn, process, seconds, show
from recsys.demo.programs import command

MOST_S = 2.0
MOST = 2.5
MOST_MIB = 512
REQUESTS = 5


def run(quick: bool) -> None:
    many, rows, repetitions = (1_000_000, 100_000, 1) if quick else (10_000_000, 1_000_000, 3)
    load = os.getloadavg()[0]
    folder = compact.compacted(many)
    compacted = [f"--exposures={folder}/exposures", f"--outcomes={folder}/outcomes"]
    lines = data_made.exposures(rows), data_made.outcomes(rows)
    jsonl = [f"--exposures={lines[0]}", f"--outcomes={lines[1]}"]
    request = f"req-{rows // 10 * 7:09d}"
    found = in_turn(
        {
            **{
                f"compacted {number}": lambda number=number: _trace(compact.request_of(many, number), compacted)
                for number in range(REQUESTS)
            },
            "unknown": lambda: _trace("0123456789abcdef0123456789abcdef", compacted, expect=2),
            "jsonl": lambda: _trace(request, jsonl),
            "bare": lambda: process([sys.executable, "-m", "benchmarks.trace", request, *map(str, lines)]),
            "join": lambda: process(command("recsys-eval", "join", *jsonl)),
        },
        repetitions,
    )
    traces = [found.least(f"compacted {number}") for number in range(REQUESTS)]
    slowest = max(traces, key=lambda each: each.seconds)
    size = sum(path.stat().st_size for path in lines)
    show(
        [
            seconds(f"trace, {many:,} compacted exposures, the slowest of {REQUESTS} requests", slowest),
            at_most("seconds", slowest.seconds, MOST_S),
            at_most("peak memory, MiB", max(each.peak for each in traces) / MIB, MOST_MIB, "{:.0f}"),
            seconds("trace of an id that is not there", found.least("unknown")),
            seconds(f"trace, {rows:,} exposures as JSON lines, {size / 1e9:.2f} GB", found.least("jsonl")),
            seconds("bare search of the same files for two ids, one process", found.least("bare")),
            at_most("trace / bare search", found.ratio("jsonl", "bare"), MOST),
            seconds("join of the same files", found.least("join")),
        ],
        load,
    )


def _trace(request: str, logs: list[str], expect: int = 0) -> Run:
    return process(command("recsys-eval", "trace", request, *logs), expect=expect)


def _bare_search(request: str, paths: list[str]) -> int:
    """How often the id stands in the files, and that of its user, as if that were known."""
    found = 0
    for needle in (request.encode(), b"f" * 64):
        for path in paths:
            with Path(path).open("rb", buffering=0) as file:
                while block := file.read(1 << 20):
                    found += block.count(needle)
    return found


if __name__ == "__main__":
    assert _bare_search(sys.argv[1], sys.argv[2:]) > 0
