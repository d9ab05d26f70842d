"""``recsys-eval compact`` on JSONL, against a bare copy by DuckDB; and one request of 10 million compacted exposures.

The large folder is made by DuckDB in the layout that ``compact`` writes, with its manifest, so that what is measured
there is the look-up and not hours of generating. Its request ids are random, the worst case: each part may hold any.
"""

import os
import shutil
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from hashlib import file_digest
from pathlib import Path
from statistics import median

import duckdb

from benchmarks import data_made
from benchmarks.measure import MIB, Row, Run, at_most, in_turn, process, seconds, show
from recsys.attribution.columns import Role
from recsys.attribution.compact.layout import MANIFEST, part_path
from recsys.attribution.compact.manifest import Batch, Manifest, Part, encoded
from recsys.attribution.compact.rows import ROW_GROUP_ROWS
from recsys.demo.programs import command

MOST = 2.0
MOST_MIB = 1536
MOST_LOOKUP_S = 1.0
MOST_TRACE_S = 2.0
PLACES = [(f"tenant-{tenant}", surface) for tenant in range(2) for surface in ("home", "item_page")]
DAYS = 10
START = date(2026, 1, 1)
CLICKED = 5
"""Every fifth exposure has a click."""

_ITEM = "'item_' || lpad((hash(n * 16 + r) % 20000)::VARCHAR, 5, '0')"
_USER = "md5('u' || (n % 1999993)::VARCHAR) || md5('v' || (n % 1999993)::VARCHAR)"
_EXPOSURES = f"""
SELECT
    md5('r' || n::VARCHAR) AS request_id, {_USER} AS user_id, make_timestamptz({{at}}) AS ts,
    list_transform(range(1, 11), lambda r: {{{{'item_id': {_ITEM}, 'rank': r::INTEGER, 'propensity': NULL::DOUBLE,
        'logging_propensity': NULL::DOUBLE, 'target_propensity': NULL::DOUBLE}}}}) AS items,
    MAP {{{{'tenant_id': '{{tenant}}', 'surface': '{{surface}}'}}}} AS context,
    (hash(n) % 400) / 10 AS latency_ms, FALSE AS error
FROM range({{first}}, {{last}}) AS t(n) ORDER BY request_id
"""
_OUTCOMES = f"""
SELECT
    md5('r' || n::VARCHAR) AS request_id, {_USER} AS user_id, {_ITEM} AS item_id, 'click' AS event_type,
    make_timestamptz({{at}} + 20000000) AS ts, NULL::DOUBLE AS value, NULL::VARCHAR AS event_id,
    MAP {{{{'tenant_id': '{{tenant}}', 'surface': '{{surface}}'}}}} AS context
FROM (SELECT n, 1 + hash(n) % 10 AS r FROM range({{first}}, {{last}}, {CLICKED}) AS t(n)) ORDER BY request_id
"""
_QUERIES: dict[Role, str] = {"exposures": _EXPOSURES, "outcomes": _OUTCOMES}


def run(quick: bool) -> None:
    rows, many, repetitions = (200_000, 1_000_000, 1) if quick else (2_000_000, 10_000_000, 3)
    load = os.getloadavg()[0]
    log = data_made.exposures(rows)
    with tempfile.TemporaryDirectory(prefix="recsys-bench-") as name:
        folder = Path(name)
        found = in_turn(
            {
                "compact": lambda: _compact(log, folder / "out", anew=True),
                "again": lambda: _compact(log, folder / "out"),
                "bare": lambda: process([sys.executable, "-m", "benchmarks.compact", str(log), str(folder / "bare")]),
                "validate": lambda: process(
                    command("recsys-eval", "validate", "--schema", "exposure.v1", "--input", str(log))
                ),
            },
            repetitions,
        )
        size = sum(path.stat().st_size for path in (folder / "out").rglob("*.parquet"))
    done, json_bytes = found.least("compact"), log.stat().st_size
    large = compacted(many)
    lookups, traces = _lookups(large, many), [_trace(large, many, number).seconds for number in range(3)]
    show(
        [
            seconds(f"compact, {rows:,} exposures of 10 items, {json_bytes / 1e9:.2f} GB", done),
            seconds("bare copy: JSON to one sorted Parquet file by DuckDB", found.least("bare")),
            seconds("validate", found.least("validate")),
            at_most("compact / (bare copy + validate)", found.ratio("compact", "bare", "validate"), MOST),
            Row("rate", f"{json_bytes / 1e6 / done.seconds:.0f} MB/s"),
            at_most("peak memory, MiB", done.peak / MIB, MOST_MIB, "{:.0f}"),
            Row("size, Parquet / JSONL", f"{size / json_bytes:.3f}"),
            seconds("compact again, nothing new", found.least("again")),
            Row("a request, median of look-ups", f"{median(lookups) * 1000:.0f} ms of {many:,} exposures"),
            at_most("a request, slowest look-up, s", max(lookups), MOST_LOOKUP_S),
            at_most("trace of a request, slowest, s", max(traces), MOST_TRACE_S),
        ],
        load,
    )


def _compact(log: Path, out: Path, *, anew: bool = False) -> Run:
    if anew:
        shutil.rmtree(out, ignore_errors=True)
    return process(command("recsys-eval", "compact", "--exposures", str(log), "--output", str(out)))


def _bare_copy(log: Path, target: Path) -> None:
    """The least that any engine has to do: read, sort, write."""
    from recsys.attribution.compact.rows import COLUMNS

    kinds = ", ".join(f"{name}: '{kind}'" for name, kind in COLUMNS["exposures"].items())
    with duckdb.connect() as connection:
        connection.execute("SET memory_limit = '1GB'")
        connection.execute(
            f"COPY (SELECT * FROM read_json('{log}', format = 'newline_delimited', columns = {{{kinds}}}) "
            f"ORDER BY request_id) TO '{target}' (FORMAT parquet, COMPRESSION zstd)"
        )


def compacted(rows: int) -> Path:
    """A compacted folder of so many exposures, and a fifth as many clicks; made once."""
    folder = data_made.FOLDER / f"compacted-{rows}"
    if not folder.exists():
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        batches = [Batch(role=role, inputs=[], parts=_parts(part, role, rows)) for role in _QUERIES]
        (part / MANIFEST).write_bytes(encoded(Manifest(batches=batches)))
        part.rename(folder)
    return folder


def _parts(folder: Path, role: Role, rows: int) -> list[Part]:
    found, each = [], rows // (DAYS * len(PLACES))
    with duckdb.connect() as connection:
        connection.execute("SET memory_limit = '2GB'")
        for number in range(DAYS * len(PLACES)):
            day, place = START + timedelta(days=number // len(PLACES)), PLACES[number % len(PLACES)]
            path = part_path(role, place, day.isoformat(), f"{number:016x}")
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            first, begin = number * each, int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1e6)
            query = _QUERIES[role].format(
                at=f"{begin} + (n - {first}) * {86_000_000_000 // each}", tenant=place[0], surface=place[1],
                first=first, last=first + each,
            )  # fmt: skip
            connection.execute(
                f"COPY ({query}) TO '{folder / path}' "
                f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP_ROWS})"
            )
            with (folder / path).open("rb") as content:
                digest = file_digest(content, "sha256").hexdigest()
            [counted] = connection.execute(f"SELECT count(*) FROM '{folder / path}'").fetchall()
            found.append(Part(path=path, rows=counted[0], bytes=(folder / path).stat().st_size, sha256=digest))
    return found


def request_of(rows: int, number: int) -> str:
    with duckdb.connect() as connection:
        place = CLICKED * ((number * 7919 + 13) * 104_729 % (rows // CLICKED))
        return connection.execute("SELECT md5('r' || ?::VARCHAR)", [place]).fetchall()[0][0]


def _lookups(folder: Path, rows: int) -> list[float]:
    """How long it takes to find each of some requests, in seconds, with nothing known of the files before."""
    took = []
    for number in range(7):
        request, started = request_of(rows, number), time.perf_counter()
        with duckdb.connect() as connection:
            found = connection.execute(
                "SELECT request_id, user_id, epoch_us(ts), items, context, latency_ms, error "
                f"FROM read_parquet('{folder}/exposures/*/*/*/*.parquet') WHERE request_id = ?",
                [request],
            ).fetchall()
        took.append(time.perf_counter() - started)
        assert len(found) == 1
    return took


def _trace(folder: Path, rows: int, number: int) -> Run:
    logs = [f"--exposures={folder}/exposures", f"--outcomes={folder}/outcomes"]
    return process(command("recsys-eval", "trace", request_of(rows, number), *logs))


if __name__ == "__main__":
    _bare_copy(Path(sys.argv[1]), Path(sys.argv[2]))
