"""Logs to compact, compacted folders to compare and to read back without the suite, and runs that are killed."""

import json
import os
import signal
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from recsys.attribution.compact.compact import Settings, compact
from recsys.contracts.events import RECORDS

SCHEMAS = {"exposures": "exposure.v1", "outcomes": "outcome.v1", "assignments": "assignment.v1"}
DAYS = ("2026-02-05", "2026-02-06")


def exposure(number, **changes):
    """An exposure of one of two tenants, three surfaces (or none) and two days."""
    surface = ("home", "cart", None)[number % 3]
    context = {"tenant_id": f"t{number % 2}"} | ({} if surface is None else {"surface": surface})
    row = {
        "request_id": f"r{number * 7919 % 1000:04}", "user_id": f"u{number % 5}",
        "ts": f"{DAYS[number % 7 < 3]}T10:{number % 60:02}:00.{number:06}Z",
        "items": [{"item_id": item, "rank": rank, "propensity": 0.5} for rank, item in enumerate("abc", 1)],
        "context": context, "latency_ms": number / 4,
    }  # fmt: skip
    return row | changes


def outcome(number, **changes):
    """A click on item b of exposure ``number``."""
    shown = exposure(number)
    row = {name: shown[name] for name in ("request_id", "user_id", "ts", "context")}
    return row | {"item_id": "b", "event_type": "click"} | changes


def write(path: Path, rows, *, end=b"\n") -> str:
    """A log of records, and of lines as they are."""
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\n".join(lines) + (end if lines else b""))
    return str(path)


@contextmanager
def unwatched(_step):
    """Nobody looks on."""
    yield lambda _done, _total: None


def run(folder: Path, files=os, threads=None, batch_bytes=4 << 30, **logs):
    """One run; ``logs``: role → specs."""
    settings = Settings(files=files, threads=threads, batch_bytes=batch_bytes)
    return compact(logs, folder, watch=unwatched, settings=settings)


def tree(folder: Path) -> dict[str, bytes | None]:
    """All that is in a folder: files with their content, and folders."""
    found = sorted(folder.rglob("*"))
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in found}


def parts(folder: Path, role: str) -> list[Path]:
    """The parts of a role."""
    return sorted((folder / role).rglob("*.parquet"))


def records(folder: Path, role: str) -> list:
    """All rows of a role as records, as another library reads them."""
    return [record for path in parts(folder, role) for record in records_of(path, role)]


def records_of(path: Path, role: str) -> list:
    """The rows of a part as records, in order."""
    table = pq.ParquetFile(path).read()
    if table.schema.field("ts").type == pa.timestamp("us", tz="UTC"):
        place = table.schema.get_field_index("ts")
        table = table.set_column(place, "ts", table["ts"].cast(pa.int64()))
    return [_record(row, role) for row in table.to_pylist()]


def _record(row, role):
    kind = RECORDS[SCHEMAS[role]]
    if isinstance(row["ts"], int):
        row["ts"] = instant(row["ts"])
    row = {name: value for name, value in row.items() if value is not None}
    if "context" in row:
        keys = [key for key, _ in row["context"]]
        assert len(set(keys)) == len(keys)
        row["context"] = dict(row["context"])
    if "items" in row:
        row["items"] = [
            {name: value for name, value in item.items() if value is not None and name != "score"}
            for item in row["items"]
        ]
    return msgspec.convert(row, kind)


def instant(micros: int):
    """The instant of so many µs after 1970."""
    from datetime import UTC, datetime, timedelta

    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)


def decoded(line: bytes, role: str):
    """The record of a line, as its contract decodes it."""
    return msgspec.json.decode(line, type=RECORDS[SCHEMAS[role]])


class Mortal:
    """The functions of ``os``; the process is killed in the place of the ``last``-th call that changes a file, of a
    write in the middle of it."""

    CHANGES = ("open", "write", "fsync", "rename", "unlink", "mkdir", "rmdir")

    def __init__(self, last=0):
        self.calls = 0
        self._last = last

    def __getattr__(self, name):
        function = getattr(os, name)
        if name not in self.CHANGES:
            return function

        def counted(*arguments):
            self.calls += 1
            if self.calls == self._last:
                if name == "write":
                    os.write(arguments[0], arguments[1][: len(arguments[1]) // 2])
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments)

        return counted
