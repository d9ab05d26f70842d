"""Accepted lines in an engine of their own, and the Parquet files that are made of them.

Rows are sorted by request_id, then by time, then by a hash of all that they hold: in what order, by how many threads
and in what portions they were read makes no difference to a file.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import duckdb
from msgspec import Struct

from recsys.attribution.columns import Role
from recsys.attribution.compact.layout import KEYS
from recsys.contracts.types import FIRST_YEAR, LAST_YEAR, MAX_LINE_BYTES
from recsys.errors import InputError, StorageError, UsageError

_NUMBERS = ("propensity", "logging_propensity", "target_propensity", "score")
ITEM = f"STRUCT(item_id VARCHAR, rank INTEGER, {', '.join(f'{name} DOUBLE' for name in _NUMBERS)})[]"
CONTEXT = "MAP(VARCHAR, VARCHAR)"
COLUMNS: dict[Role, dict[str, str]] = {
    "exposures": {
        "request_id": "VARCHAR", "user_id": "VARCHAR", "ts": "VARCHAR", "items": ITEM, "context": CONTEXT,
        "latency_ms": "DOUBLE", "error": "BOOLEAN",
    },
    "outcomes": {
        "request_id": "VARCHAR", "user_id": "VARCHAR", "item_id": "VARCHAR", "event_type": "VARCHAR", "ts": "VARCHAR",
        "value": "DOUBLE", "event_id": "VARCHAR", "context": CONTEXT,
    },
    "assignments": {
        "experiment_id": "VARCHAR", "variant": "VARCHAR", "request_id": "VARCHAR", "user_id": "VARCHAR",
        "ts": "VARCHAR", "context": CONTEXT,
    },
}  # fmt: skip
"""All fields of each record, as they are read, and the scores of ``service_v1``; ``ts`` is written as an instant."""
ROW_GROUP_ROWS = 20_480
"""What a look-up of one request_id decodes of a part: small, and its statistics cost little."""
ROW_GROUP_JSON_BYTES = 32 << 20
LEAST_ROW_GROUP_ROWS = 2_048
MAX_PLACES = 50_000
LEAST_MEMORY = 100 * 10**6
"""With less the engine reads no line at all."""
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([KMGT])(i?)B", re.IGNORECASE)

_PLACES = f"""
CREATE TABLE places AS
SELECT row_number() OVER (ORDER BY day, {", ".join(f"{key} NULLS FIRST" for key in KEYS)}) AS number, *
FROM (SELECT day, {", ".join(KEYS)}, slot, count(*) AS n FROM staged GROUP BY ALL)
"""


class Place(Struct, frozen=True):
    """A tenant, a surface and a day, with its rows; ``number`` counts from 1. A key is None where rows lack it.
    ``slot`` is a hash of them: by that number the engine passes over what is elsewhere."""

    number: int
    slot: int
    values: tuple[str | None, ...]
    day: date
    rows: int


class Rows:
    """The rows of one batch. Engine errors are StorageError, where memory or disk ran out, or InputError."""

    def __init__(self, role: Role, scratch: Path, *, memory_limit: str, threads: int | None = None) -> None:
        self._role: Role = role
        self._scratch = scratch
        self._connection = duckdb.connect()
        for setting, value in (
            ("TimeZone", "'UTC'"),
            ("autoinstall_known_extensions", "false"),
            ("enable_progress_bar", "false"),
            ("memory_limit", _text(memory_limit)),
            ("temp_directory", _text(str(scratch))),
            *([] if threads is None else [("threads", str(int(threads)))]),
        ):
            self._connection.execute(f"SET {setting} = {value}")

    def stage(self, paths: Sequence[Path]) -> list[Place]:
        """Read these files of valid lines, in place of what was read before; the places of their rows, in order."""
        with self._told(self._scratch):
            for table in ("staged", "places"):
                self._connection.execute(f"DROP TABLE IF EXISTS {table}")
            self._connection.execute("SET preserve_insertion_order = false")
            self._connection.execute(f"CREATE TABLE staged AS {_staged(self._role, paths)}")
            self._connection.execute(_PLACES)
            found = self._connection.execute(
                f"SELECT number, slot, {', '.join(KEYS)}, day, n FROM places ORDER BY number LIMIT {MAX_PLACES + 1}"
            ).fetchall()
        if len(found) > MAX_PLACES:
            raise InputError(
                f"more than {MAX_PLACES:,} folders would be made", where=self._role,
                expected=f"few values of {' and '.join(KEYS)}", hint="Give fewer days at a time, or mend the values.",
            )  # fmt: skip
        return [Place(number, slot, (*values,), day, rows) for number, slot, *values, day, rows in found]

    def write(self, place: Place, path: Path, row_group_rows: int) -> None:
        """Write the rows of a place to a Parquet file."""
        # Where an offset leads out of the years that an instant may have, the text stands for it
        inside = FIRST_YEAR <= place.day.year <= LAST_YEAR
        columns = [f"{'instant' if inside else 'ts'} AS ts" if name == "ts" else name for name in COLUMNS[self._role]]
        keys = " AND ".join(f"{key} IS NOT DISTINCT FROM {self._value(place, key)}" for key in (*KEYS, "day"))
        query = f"""
            SELECT {", ".join(columns)} FROM staged
            WHERE slot = {place.slot}::UBIGINT AND {keys}
            ORDER BY staged.request_id, staged.instant, hash(staged)
        """
        with self._told(path):
            self._connection.execute("SET preserve_insertion_order = true")
            self._connection.execute(
                f"COPY ({query}) TO {_text(str(path))} "
                f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {int(row_group_rows)}, USE_TMP_FILE false)"
            )

    @staticmethod
    def _value(place: Place, column: str) -> str:
        return f"(SELECT places.{column} FROM places WHERE number = {place.number})"

    @contextmanager
    def _told(self, where: Path) -> Iterator[None]:
        try:
            yield
        except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
            raise StorageError(
                "the rows cannot be held or written", where=str(where), found=str(error).splitlines()[0],
                hint="Free space there and in the temporary folder (TMPDIR), raise --memory-limit, or give fewer files "
                "at a time. What was compacted before is whole; run it again.",
            ) from None  # fmt: skip
        except duckdb.Error as error:
            raise InputError("the lines could not be read", found=str(error).splitlines()[0]) from error

    def close(self) -> None:
        """Let go of all rows."""
        self._connection.close()


def check_memory_limit(limit: str) -> None:
    """UsageError for a text that is no size in the engine's words, or too small for it to begin with."""
    size = _SIZE.fullmatch(limit.strip())
    expected = "a size such as 500MB or 2GB"
    if size is None:
        raise UsageError("not a size", where="--memory-limit", found=limit[:40], expected=expected)
    number, unit, binary = size.groups()
    step = 1024 if binary else 1000
    if float(number) * step ** ("KMGT".index(unit.upper()) + 1) < LEAST_MEMORY:
        least = f"{expected}, at least {LEAST_MEMORY // 10**6}MB"
        raise UsageError("too little memory", where="--memory-limit", found=limit[:40], expected=least)


def row_group_rows(json_bytes: int, rows: int) -> int:
    """How many rows go into a group of a part, by the mean length of their lines: long ones are held in memory too."""
    mean = max(json_bytes // max(rows, 1), 1)
    return max(min(ROW_GROUP_JSON_BYTES // mean, ROW_GROUP_ROWS), LEAST_ROW_GROUP_ROWS)


def _staged(role: Role, paths: Sequence[Path]) -> str:
    kinds = ", ".join(f"{name}: {_text(kind)}" for name, kind in COLUMNS[role].items())
    names = ", ".join(_text(glob.escape(str(path))) for path in paths)  # a name is no pattern
    keys = ", ".join(f"context[{_text(key)}] AS {key}" for key in KEYS)
    return f"""
        SELECT *, hash({", ".join((*KEYS, "day"))}) AS slot
        FROM (
            SELECT *, CAST(instant AS DATE) AS day, {keys}
            FROM (
                SELECT *, CAST(upper(ts) AS TIMESTAMPTZ) AS instant
                FROM read_json([{names}], format = 'newline_delimited', columns = {{{kinds}}},
                    maximum_object_size = {MAX_LINE_BYTES + 1024}, compression = 'none')
            )
        )
    """


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
