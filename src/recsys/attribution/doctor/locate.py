"""Where the rows of symptoms stand: a few of them, as file and line, found in one search through each log."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec import Struct

from recsys.attribution.doctor.case import Case
from recsys.attribution.doctor.symptoms import Place, Symptom
from recsys.attribution.sources import Accepted
from recsys.attribution.trace import heads, line_numbers, scan
from recsys.attribution.trace.parquet_logs import ParquetLog
from recsys.attribution.trace.rows import Ask, Record, Role, micros
from recsys.contracts.events import Outcome

SAMPLES = 3

_ROWS: dict[Role, str] = {
    "exposures": "SELECT request_id, ts_us, '' AS item_id, '' AS event_type FROM exposures "
    "WHERE request_id IN (SELECT row FROM ({query}) AS concerned)",
    "outcomes": "SELECT request_id, ts_us, item_id, event_type FROM staged_outcomes "
    "WHERE row_number IN (SELECT row FROM ({query}) AS concerned)",
    "assignments": "SELECT request_id, ts_us, '' AS item_id, '' AS event_type FROM staged_assignments "
    "WHERE request_id IN (SELECT row FROM ({query}) AS concerned)",
}


class Key(Struct, frozen=True):
    """What a row is told by; of exposures and assignments the last two are empty."""

    request_id: str
    ts_us: int
    item_id: str = ""
    event_type: str = ""


def samples(case: Case, symptoms: Sequence[Symptom]) -> list[list[Place]]:
    """Of each symptom the places of its first rows, in order of time. Of rows that are alike in all that tells them,
    the last one's."""
    keys = [_first_keys(case, symptom) for symptom in symptoms]
    wanted: dict[Role, set[Key]] = defaultdict(set)
    for symptom, own in zip(symptoms, keys, strict=True):
        wanted[symptom.log].update(own)
    found = {role: _places(case, role, own) for role, own in wanted.items()}
    return [
        [*_refused(symptom), *(found[symptom.log][key] for key in own if key in found[symptom.log])][:SAMPLES]
        for symptom, own in zip(symptoms, keys, strict=True)
    ]


def _refused(symptom: Symptom) -> list[Place]:
    return [] if symptom.rows is None else sorted(symptom.rows.places)[:SAMPLES]


def _first_keys(case: Case, symptom: Symptom) -> list[Key]:
    if symptom.rows is None or not symptom.rows.query:
        return []
    rows = _ROWS[symptom.log].format(query=symptom.rows.query)
    first = f"SELECT DISTINCT * FROM ({rows}) AS rows ORDER BY ts_us, request_id, item_id, event_type LIMIT {SAMPLES}"
    return [Key(*row) for row in case.rows(first)]


def _places(case: Case, role: Role, keys: Iterable[Key]) -> dict[Key, Place]:
    wanted = set(keys)
    log: Accepted | None = getattr(case.joined.dataset, role)
    if not wanted or log is None:
        return {}
    ask = Ask(requests=frozenset(key.request_id for key in wanted))
    rows = _in_parquet(log, role, ask) if log.kind == "parquet" else _in_lines(log, role, ask)
    return {key: place for record, place in sorted(rows, key=lambda row: row[1]) if (key := _key(record)) in wanted}


def _in_lines(log: Accepted, role: Role, ask: Ask) -> list[tuple[Record, Place]]:
    """The rows in files of valid lines, at their places in the files that these come from."""
    found = scan.search(list(zip(log.paths, log.sizes, strict=True)), role, ask)
    rows = []
    for path, origin, hits in zip(log.paths, log.origins, found, strict=True):
        numbers = line_numbers.of_offsets(path, [hit.offset for hit in hits.valid])
        for hit in hits.valid:
            record = heads.row(hit.line, role, origin.file, hit.offset).record
            if record is not None:
                rows.append((record, Place(origin.file, origin.line(numbers[hit.offset]))))
    return rows


def _in_parquet(log: Accepted, role: Role, ask: Ask) -> list[tuple[Record, Place]]:
    names = [(path, origin.file) for path, origin in zip(log.paths, log.origins, strict=True)]
    with tempfile.TemporaryDirectory(prefix="recsys-") as scratch:
        answered = ParquetLog(names, role, Path(scratch)).ask(ask)
    return [(row.record, Place(row.file, row.line)) for row in answered.rows if row.record is not None]


def _key(record: Record) -> Key:
    if isinstance(record, Outcome):
        return Key(record.request_id, micros(record.ts), record.item_id, record.event_type)
    return Key(record.request_id, micros(record.ts))
