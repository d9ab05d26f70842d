"""What people wrote into lines that validation refused: the lines are in the log all the same.

The engine holds it, for it may be much: a table ``refused_<log>`` of what may hold an identifier, with the number, from
0, of its line among those that are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from recsys.attribution.doctor import text_columns
from recsys.attribution.doctor.case import Case
from recsys.attribution.doctor.case import text as quoted
from recsys.attribution.doctor.identifiers.plain_text import plain, suspects
from recsys.attribution.doctor.refusals import lines, parsed
from recsys.attribution.doctor.symptoms import Log
from recsys.attribution.doctor.text_columns import Batches

TIMES = frozenset({"ts", "timestamp", "now"})
MOST_NAMES = 200
"""Text under more names than so many is taken together: they are no names."""
OTHER = "text"
MOST_TEXT = 10_000
"""So many bytes are looked at of a line that is no JSON object."""
_BATCH = 20_000
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_COLUMNS = {"name": "VARCHAR", "text": "VARCHAR", "line": "INTEGER"}


def by_name(case: Case, log: Log) -> Iterator[tuple[str, Batches]]:
    """What may hold an identifier, with the number of lines that it stands in, by the name that it stands under; the
    batches of a name are to be taken before the next name is."""
    table = f"refused_{log}"
    case.once(table, lambda: case.joined.engine.load(table, _COLUMNS, _suspects(_rows(case, log))))
    return text_columns.by_name(
        case.joined.engine.batches(f"SELECT name, text, count(*) FROM {table} GROUP BY name, text ORDER BY name")
    )


def lines_with(case: Case, log: Log, name: str, sought: Sequence[str]) -> list[int]:
    """The numbers of the lines that hold one of these texts under a name, after ``by_name``."""
    case.joined.engine.load("refused_sought", {"text": "VARCHAR"}, ((each,) for each in sought))
    rows = case.rows(
        f"SELECT DISTINCT line FROM refused_{log} WHERE name = {quoted(name)} "
        "AND text IN (SELECT text FROM refused_sought)"
    )
    return [line for (line,) in rows]


def _rows(case: Case, log: Log) -> Iterator[tuple[str, str, int]]:
    names: set[str] = {OTHER}
    for number, (_, line) in enumerate(lines(case.joined.dataset, log)):
        for name, text in set(texts(line)):
            if name not in names and len(names) < MOST_NAMES:
                names.add(name)
            yield name if name in names else OTHER, text, number


def _suspects(rows: Iterable[tuple[str, str, int]]) -> Iterator[tuple[str, str, int]]:
    """Those whose text is not harmless at one glance."""
    remaining = iter(rows)
    while batch := list(islice(remaining, _BATCH)):
        spelt = plain([text for _, text, _ in batch])
        found = set(suspects(spelt))
        yield from (row for row, text in zip(batch, spelt, strict=True) if text in found)


def texts(line: bytes) -> Iterator[tuple[str, str]]:
    """(name, text) of all that stands in a refused line, keys of a context too; ids that are numbers as text. Of a line
    that is no JSON object, all that is in quotes, or all of it. Halves of surrogate pairs come as question marks."""
    record = parsed(line)
    if record is not None:
        for name, text in _members(record):
            yield _encodable(name), _encodable(text)
        return
    start = line[:MOST_TEXT].decode(errors="replace")
    for text in _QUOTED.findall(start) or [start]:
        yield OTHER, text


def _members(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    remaining: list[tuple[str, Any]] = [("", record)]  # no recursion: JSON may be nested deeper than Python's stack is
    while remaining:
        name, value = remaining.pop()
        if isinstance(value, Mapping):
            if name == "context":
                yield from ((name, key) for key in value)
            remaining += [(key, member) for key, member in value.items() if key not in TIMES]
        elif isinstance(value, Sequence) and not isinstance(value, str):
            remaining += [(name, member) for member in value]
        elif isinstance(value, str) or (isinstance(value, int) and name.endswith("_id")):
            yield name, str(value)


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
