"""From a file into the database. Good rows are copied in one transaction; bad ones are listed and set aside."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from msgspec import Struct, field

from recsys.errors import StorageError, UsageError
from recsys.eventlog.pseudonym import pseudonym
from recsys.service.importing import rows as parsing
from recsys.service.importing import tabular
from recsys.service.importing.columns import Columns
from recsys.service.importing.rows import BadRowError
from recsys.service.importing.tabular import Progress
from recsys.service.store import tenants

if TYPE_CHECKING:
    from sqlalchemy import Connection

SHOWN = 20
DEFAULT_EVENT_TYPE = "click"
KNOWN_USERS = 1 << 16  # whose pseudonyms are not computed again

_ITEM_COPY = (
    "COPY staged_item (place, item_id, tags, title, brand, category, price, created_at) FROM STDIN (FORMAT binary)"
)
_ITEM_TYPES = ("int8", "text", "text[]", "text", "text", "text", "float8", "timestamptz")
_ITEM_STAGE = """
CREATE TEMP TABLE staged_item (place bigint, item_id text, tags text[], title text, brand text, category text,
    price double precision, created_at timestamptz) ON COMMIT DROP
"""
_ITEM_MERGE = """
INSERT INTO item (tenant_id, item_id, tags, title, brand, category, price, created_at)
SELECT DISTINCT ON (item_id) %s, item_id, tags, title, brand, category, price, created_at
FROM staged_item ORDER BY item_id, place DESC
ON CONFLICT (tenant_id, item_id) DO UPDATE SET tags = excluded.tags, title = excluded.title, brand = excluded.brand,
    category = excluded.category, price = excluded.price, created_at = excluded.created_at
WHERE (item.tags, item.title, item.brand, item.category, item.price, item.created_at) IS DISTINCT FROM
    (excluded.tags, excluded.title, excluded.brand, excluded.category, excluded.price, excluded.created_at)
"""
_EVENT_COPY = "COPY staged_event (user_id, item_id, event_type, ts, value, surface) FROM STDIN (FORMAT binary)"
_EVENT_TYPES = ("text", "text", "text", "timestamptz", "float8", "text")
_EVENT_STAGE = """
CREATE TEMP TABLE staged_event (user_id text, item_id text, event_type text, ts timestamptz, value double precision,
    surface text) ON COMMIT DROP
"""
_EVENT_MERGE = """
INSERT INTO event (tenant_id, user_id, item_id, event_type, ts, value, surface)
SELECT %s, user_id, item_id, event_type, ts, value, surface FROM staged_event
ORDER BY user_id, item_id, event_type, ts
ON CONFLICT DO NOTHING
"""


class Imported(Struct, kw_only=True):
    """What became of the rows: ``stored`` are new or changed, ``repeated`` were there already, ``bad`` set aside.

    ``faults`` are the first bad rows in words, with file and line.
    """

    rows: int = 0
    stored: int = 0
    repeated: int = 0
    bad: int = 0
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def import_items(
    opened: Connection, path: Path, tenant_id: str, columns: Columns, aside: Path, on_progress: Progress | None = None
) -> Imported:
    """Items into the catalogue: a known one takes the file's values, and the last row of an id counts."""
    tenants.require_tenant(opened, tenant_id)
    done = Imported()
    raw: Any = opened.connection.driver_connection
    with raw.cursor() as cursor:
        cursor.execute(_ITEM_STAGE)
        with cursor.copy(_ITEM_COPY) as copy:
            copy.set_types(_ITEM_TYPES)
            for place, values in enumerate(_good(path, columns, parsing.item, aside, done, on_progress)):
                copy.write_row((place, *values))
        cursor.execute(_ITEM_MERGE, (tenant_id,))
        done.stored = cursor.rowcount
        done.repeated = done.rows - done.bad - done.stored
    return _finish(opened, tenant_id, done, path, columns)


def import_events(
    opened: Connection, path: Path, tenant_id: str, columns: Columns, aside: Path, salt: bytes,
    on_progress: Progress | None = None,
) -> Imported:  # fmt: skip
    """Past events; users are pseudonymised on the way in. An event that is there already is not kept twice."""
    tenants.require_tenant(opened, tenant_id)
    done = Imported()
    raw: Any = opened.connection.driver_connection

    known = lru_cache(KNOWN_USERS)(partial(pseudonym, salt))

    def parse(row: Mapping[str, Any]) -> parsing.EventValues:
        if "event_type" not in row:
            if not done.notes:
                done.notes.append(f"there is no event_type: {DEFAULT_EVENT_TYPE} is taken; else use --set event_type=…")
            row = {**row, "event_type": DEFAULT_EVENT_TYPE}
        return parsing.event(row, known)

    with raw.cursor() as cursor:
        cursor.execute(_EVENT_STAGE)
        with cursor.copy(_EVENT_COPY) as copy:
            copy.set_types(_EVENT_TYPES)
            for values in _good(path, columns, parse, aside, done, on_progress):
                copy.write_row(values)
        cursor.execute(_EVENT_MERGE, (tenant_id,))
        done.stored = cursor.rowcount
        done.repeated = done.rows - done.bad - done.stored
        _note_unknown_items(cursor, tenant_id, done)
    return _finish(opened, tenant_id, done, path, columns)


def _note_unknown_items(cursor: Any, tenant_id: str, done: Imported) -> None:
    cursor.execute(
        "SELECT count(*) FROM event AS e WHERE tenant_id = %s AND NOT EXISTS "
        "(SELECT 1 FROM item AS i WHERE i.tenant_id = e.tenant_id AND i.item_id = e.item_id)",
        (tenant_id,),
    )
    (unknown,) = cursor.fetchone()
    if unknown:
        done.notes.append(f"{unknown:,} events are of items that the catalogue does not have: they do not count yet")


def _finish(opened: Connection, tenant_id: str, done: Imported, path: Path, columns: Columns) -> Imported:
    done.notes += columns.notes()
    if not done.rows:
        done.faults.append(f"{path}: the file has no rows")
    elif done.stored:
        tenants.touch(opened, tenant_id)
    return done


def _good(
    path: Path, columns: Columns, parse: Callable[[Mapping[str, Any]], Any], aside: Path, done: Imported,
    on_progress: Progress | None,
) -> Iterator[Any]:  # fmt: skip
    """The values of good rows; bad ones are counted, and written to ``aside`` with their line and reason."""
    if aside.exists() and path.exists() and aside.samefile(path):
        raise UsageError("bad rows would overwrite the file that is imported", where=str(aside))
    out = None
    try:
        for line, row in tabular.read(path, lambda header: columns.check(path, header), on_progress):
            done.rows += 1
            try:
                if isinstance(row, str):
                    raise BadRowError(row)
                yield parse(columns.fields(row))
            except BadRowError as bad:
                done.bad += 1
                if len(done.faults) < SHOWN:
                    done.faults.append(f"{path}:{line}: {bad}")
                out = out or _open_aside(aside)
                out.write(json.dumps({"line": line, "reason": str(bad), "row": row}, default=str) + "\n")
    finally:
        if out is not None:
            out.close()


def _open_aside(aside: Path) -> TextIO:
    """Rows set aside may hold raw ids: the file is for its owner's eyes."""
    try:
        return os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8")
    except OSError as error:
        found = error.strerror or str(error)
        raise StorageError(
            "bad rows cannot be set aside", where=str(aside), found=found, hint="Name a file with --aside."
        ) from None
