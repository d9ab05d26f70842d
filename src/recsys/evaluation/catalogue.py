"""The catalogue: which items there are, and their tags. JSONL with item_id and tags, or Parquet with these columns."""

from __future__ import annotations

import glob
import hashlib
import tempfile
from pathlib import Path
from typing import Any

import duckdb
import msgspec
from msgspec import Struct, field

from recsys.attribution.engine import Engine
from recsys.contracts.report import Input
from recsys.contracts.types import MAX_ID_LENGTH, MAX_LINE_BYTES, Id
from recsys.errors import InputError
from recsys.eventlog.reader import LogFile, expand, localize

BATCH = 20_000


class _Item(Struct):
    """What a metric wants to know of an item; other fields of the line are not read."""

    item_id: Id
    tags: list[str] = field(default_factory=list)


def load(engine: Engine, spec: str) -> list[Input]:
    """Make the table ``catalogue`` (item_id, tags: sorted, each once) of the files; returns an account of them.

    InputError names the first line that is no item. An item given twice must be the same both times.
    """
    with tempfile.TemporaryDirectory(prefix="recsys-") as scratch, duckdb.connect() as connection:
        inputs = _read(connection, spec, Path(scratch))
        settled = Path(scratch) / "catalogue.parquet"
        target = str(settled).replace("'", "''")
        connection.execute(f"COPY catalogue TO '{target}' (FORMAT parquet)")
        engine.load_parquet("catalogue", settled)
    return inputs


def _read(connection: Any, spec: str, scratch: Path) -> list[Input]:
    connection.execute("CREATE OR REPLACE TABLE catalogue_rows (item_id VARCHAR, tags VARCHAR[])")
    inputs = []
    for path in expand(spec):
        if isinstance(path, Path) and path.suffix == ".parquet":
            rows = _load_parquet(connection, path)
            plain = path
        else:
            plain = localize(path, scratch)
            rows = _load_jsonl(connection, path, plain)
        with plain.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        inputs.append(
            Input(role="items", path=str(path), bytes=plain.stat().st_size, sha256=digest, rows=rows, invalid=0)
        )
    _settle(connection, spec)
    return inputs


def _settle(connection: Any, spec: str) -> None:
    connection.execute("CREATE OR REPLACE TABLE catalogue AS SELECT DISTINCT item_id, tags FROM catalogue_rows")
    connection.execute("DROP TABLE catalogue_rows")
    twice = connection.execute("SELECT item_id FROM catalogue GROUP BY item_id HAVING count(*) > 1 LIMIT 1").fetchone()
    if twice is not None:
        hint = "Keep one line for each item."
        raise InputError("an item stands there twice, with other tags", where=spec, found=twice[0], hint=hint)
    if connection.execute("SELECT count(*) FROM catalogue").fetchone()[0] == 0:
        raise InputError("the catalogue is empty", where=spec, expected="one item a line")


def _load_jsonl(connection: Any, path: LogFile, plain: Path) -> int:
    decode = msgspec.json.Decoder(_Item).decode
    batch: list[tuple[str, list[str]]] = []
    number = 0
    with plain.open("rb") as lines:
        while line := lines.readline(MAX_LINE_BYTES + 1):
            number += 1
            try:
                item = decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                expected = 'an item such as {"item_id": "a", "tags": ["red"]}'
                raise InputError("not an item", where=f"{path}:{number}", found=str(error), expected=expected) from None
            batch.append((item.item_id, sorted(set(item.tags))))
            if len(batch) == BATCH:
                _insert(connection, batch)
                batch = []
    _insert(connection, batch)
    return number


def _insert(connection: Any, batch: list[tuple[str, list[str]]]) -> None:
    if batch:
        ids, tags = [item for item, _ in batch], [tags for _, tags in batch]
        connection.execute(
            "INSERT INTO catalogue_rows SELECT unnest(?::VARCHAR[]), unnest(?::VARCHAR[][])", [ids, tags]
        )


def _load_parquet(connection: Any, path: Path) -> int:
    try:
        _check_parquet(connection, path)
        file = _file(path)
        tags = "list_sort(list_distinct(tags))" if "tags" in _columns(connection, path) else "[]::VARCHAR[]"
        connection.execute(f"INSERT INTO catalogue_rows SELECT item_id, coalesce({tags}, []) FROM {file}")  # noqa: S608 - our own text
        return connection.execute(f"SELECT count(*) FROM {file}").fetchone()[0]  # noqa: S608 - our own text
    except duckdb.Error as error:
        found = str(error).splitlines()[0][:200]
        raise InputError("not a Parquet file that can be read", where=str(path), found=found) from None


def _check_parquet(connection: Any, path: Path) -> None:
    """InputError where the columns are other ones, and for the first row without a usable item_id."""
    named = _columns(connection, path)
    if named.get("item_id") != "VARCHAR" or named.get("tags", "VARCHAR[]") != "VARCHAR[]":
        expected = "item_id VARCHAR, tags VARCHAR[]"
        raise InputError("not a catalogue", where=str(path), found=str(named)[:200], expected=expected)
    row = connection.execute(
        f"SELECT file_row_number + 1, item_id FROM {_file(path, ', file_row_number = true')} "  # noqa: S608 - our own text
        "WHERE item_id IS NULL OR length(item_id) NOT BETWEEN 1 AND ? ORDER BY file_row_number LIMIT 1",
        [MAX_ID_LENGTH],
    ).fetchone()
    if row is not None:
        found = "no item_id" if row[1] is None else f"an item_id of {len(row[1]):,} characters"
        raise InputError("not an item", where=f"{path}:{row[0]}", found=found, expected=f"1 to {MAX_ID_LENGTH}")


def _columns(connection: Any, path: Path) -> dict[str, str]:
    return {row[0]: row[1] for row in connection.execute(f"DESCRIBE SELECT * FROM {_file(path)}").fetchall()}  # noqa: S608 - our own text


def _file(path: Path, options: str = "") -> str:
    """The rows of this one file: its name is no pattern, and adds no column."""
    name = glob.escape(str(path)).replace("'", "''")
    return f"read_parquet('{name}', hive_partitioning = false{options})"
