"""The bare sides: only decode each line with msgspec, or only read the columns with DuckDB. Run as a process each.

``python -m benchmarks.bare decode FILE WORKERS`` and ``python -m benchmarks.bare read FILE``.
"""

import gc
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

RANGE_BYTES = 32 << 20
BLOCK_BYTES = 1 << 18
COLUMNS = {
    "request_id": "VARCHAR",
    "user_id": "VARCHAR",
    "ts": "TIMESTAMPTZ",
    "items": "STRUCT(item_id VARCHAR, rank INTEGER, propensity DOUBLE, logging_propensity DOUBLE, "
    "target_propensity DOUBLE)[]",
    "context": "MAP(VARCHAR, VARCHAR)",
    "latency_ms": "DOUBLE",
    "error": "BOOLEAN",
}


def decode(path: Path, workers: int) -> int:
    """Decode every line in a pool of processes, in the byte ranges of ``validate``; returns the number of lines."""
    size = path.stat().st_size
    ranges = [(path, start, min(start + RANGE_BYTES, size)) for start in range(0, size, RANGE_BYTES)]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=gc.disable) as pool:
        return sum(pool.map(_decode_range, *zip(*ranges, strict=True)))


def _decode_range(path: Path, start: int, end: int) -> int:
    import msgspec

    from recsys.contracts.events import Exposure

    decode_line = msgspec.json.Decoder(Exposure).decode
    lines = 0
    with path.open("rb", buffering=0) as file:
        at = _line_after(file, start)
        file.seek(at)
        rest = b""
        while at < end:
            chunk = file.read(BLOCK_BYTES)
            if not chunk:
                break
            data = rest + chunk
            stop = data.rfind(b"\n") + 1
            if at + stop > end:
                stop = data.find(b"\n", max(end - at - 1, 0)) + 1 or stop
            block, rest = data[:stop], data[stop:]
            records = list(map(decode_line, block[:-1].split(b"\n"))) if block else []
            lines += len(records)
            at += len(block)
    return lines


def _line_after(file, start: int) -> int:
    """Where the first line begins at or after ``start``."""
    if start == 0:
        return 0
    file.seek(start - 1)
    return start + file.read(BLOCK_BYTES).index(b"\n")


def read(path: Path) -> list:
    """Read all columns with the types of the contract, and reduce each to one figure."""
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET preserve_insertion_order = false")
    connection.execute("SET TimeZone = 'UTC'")
    columns = ", ".join(f"{name}: '{kind}'" for name, kind in COLUMNS.items())
    return connection.execute(
        "SELECT count(*), count(request_id), count(user_id), epoch_us(max(ts)), sum(len(items)), max(items[1]), "
        f"sum(cardinality(context)), sum(latency_ms), count(error) FROM read_json('{path}', "
        f"format = 'newline_delimited', columns = {{{columns}}})"
    ).fetchall()


if __name__ == "__main__":
    what, file, *rest = sys.argv[1:]
    print(decode(Path(file), int(rest[0])) if what == "decode" else read(Path(file)))
