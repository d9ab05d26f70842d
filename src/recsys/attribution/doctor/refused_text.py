"""What people wrote into lines that validation refused: the lines are in the log all the same."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from recsys.attribution.doctor.case import Refused

TIMES = frozenset({"ts", "timestamp", "now"})
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


def texts(line: Refused) -> Iterator[tuple[str, str]]:
    """(name, text) of all that stands in a refused line, keys of a context too; ids that are numbers as text. Of a line
    that is no JSON object, all that is in quotes, or all of it."""
    if line.record is not None:
        yield from _members(line.record, "")
        return
    quoted = _QUOTED.findall(line.text)
    for text in quoted or [line.text]:
        yield "text", text


def _members(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, member in value.items():
            if name == "context":
                yield "context", key
            if key not in TIMES:
                yield from _members(member, key)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for member in value:
            yield from _members(member, name)
    elif isinstance(value, str) or (isinstance(value, int) and name.endswith("_id")):
        yield name, str(value)
