"""Logs of any size for the benchmarks: deterministic, made once, kept in ``benchmarks/data``, outside git."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np

FOLDER = Path(__file__).parent / "data"
START = datetime(2026, 1, 1, tzinfo=UTC)
LIST_LENGTH = 10
CATALOGUE = 20_000


def exposures(rows: int) -> Path:
    """``rows`` exposures of 10 items each, by about rows/5 users, in the order of time."""
    return _made(f"exposures-{rows}.jsonl", lambda path: _write_exposures(path, rows))


def outcomes(rows: int) -> Path:
    """One outcome for every fifth exposure of ``exposures(rows)``."""
    return _made(f"outcomes-{rows}.jsonl", lambda path: _write_outcomes(path, rows))


def _made(name: str, write) -> Path:
    path = FOLDER / name
    if not path.exists():
        FOLDER.mkdir(exist_ok=True)
        part = path.with_suffix(".part")
        write(part)
        part.rename(path)
    return path


def _users(rows: int):
    return np.random.default_rng(1).integers(0, max(rows // 5, 1), rows)


def _items(rows: int):
    """int[rows, 10]: distinct items within a list, popular ones more often."""
    rng = np.random.default_rng(2)
    first = (rng.random(rows) ** 2 * CATALOGUE).astype(np.int64)
    steps = rng.integers(1, 900, (rows, LIST_LENGTH)).cumsum(axis=1)
    return (first[:, None] + steps) % CATALOGUE


def _user(number: int) -> str:
    return f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}" * 4


def _write_exposures(path: Path, rows: int) -> None:
    encode = msgspec.json.Encoder().encode
    users, items = _users(rows), _items(rows)
    with path.open("wb") as out:
        for n in range(rows):
            row = {
                "request_id": f"req-{n:09d}",
                "user_id": _user(int(users[n])),
                "ts": START + timedelta(milliseconds=500 * n),
                "items": [{"item_id": f"item_{i:05d}", "rank": r} for r, i in enumerate(items[n].tolist(), 1)],
                "context": {"tenant_id": "demo", "surface": "home" if n % 3 else "item_page"},
                "latency_ms": 3.25,
                "error": False,
            }
            out.write(encode(row) + b"\n")


def _write_outcomes(path: Path, rows: int) -> None:
    encode = msgspec.json.Encoder().encode
    users, items = _users(rows), _items(rows)
    ranks = np.random.default_rng(3).geometric(0.3, rows) - 1
    with path.open("wb") as out:
        for n in range(0, rows, 5):
            row = {
                "request_id": f"req-{n:09d}",
                "user_id": _user(int(users[n])),
                "item_id": f"item_{items[n][min(int(ranks[n]), LIST_LENGTH - 1)]:05d}",
                "event_type": "click" if n % 15 else "conversion",
                "ts": START + timedelta(milliseconds=500 * n + 20_000),
            }
            if n % 15 == 0:
                row["value"] = 49.9
            out.write(encode(row) + b"\n")
