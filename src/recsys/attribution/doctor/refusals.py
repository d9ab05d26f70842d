"""The lines that validation refused, read again for what can still be known of them: when, from where, of what kind."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from recsys.attribution.doctor.case import Refused
from recsys.attribution.doctor.symptoms import Place
from recsys.attribution.sources import SCHEMAS, AcceptedDataset
from recsys.contracts.types import MAX_LINE_BYTES
from recsys.eventlog.faults import findings

MOST = 100_000
"""So many lines of each log are looked at; all are counted."""
MOST_TEXT = 10_000
"""So many bytes are kept of a line that is no JSON object."""


def refusals(accepted: AcceptedDataset) -> list[Refused]:
    """What is known of the refused lines of each log, in the order of the files, ``MOST`` of each log."""
    found: list[Refused] = []
    for role, schema in SCHEMAS.items():
        found += islice(_of(accepted, role, schema), MOST)
    return found


def _of(accepted: AcceptedDataset, role: str, schema: str) -> Iterator[Refused]:
    for file in accepted.refused.get(role, []):
        with file.plain.open("rb") as content:
            for bad in file.bad:
                content.seek(bad.offset)
                line = content.read(min(bad.length, MAX_LINE_BYTES))
                broken = tuple((each.rule, each.path) for each in findings(line, schema))
                record = parsed(line)
                text = "" if record is not None else line[:MOST_TEXT].decode(errors="replace")
                yield Refused(role=role, place=Place(file.file, bad.line), broken=broken, record=record, text=text)


def parsed(line: bytes) -> Mapping[str, Any] | None:
    """What can be known of a line that validation refused; None where it is no JSON object."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None
