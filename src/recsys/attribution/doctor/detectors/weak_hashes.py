"""Pseudonyms that anybody can undo: hashes of ids that can be guessed, without a secret key.

User ids, and context values that look like hashes, are compared with what common functions make of guesses and of the
raw ids that stand in the logs (``weak_hashes``). One that fits is no chance (under 10⁻⁶), so it is serious (``values``:
fewer are silent): who has the log has the ids.
"""

from __future__ import annotations

from types import MappingProxyType

from recsys.attribution.doctor import text_columns
from recsys.attribution.doctor.breakdown import told_by_key
from recsys.attribution.doctor.case import Case
from recsys.attribution.doctor.symptoms import Detector, Limits, Symptom
from recsys.attribution.doctor.text_columns import TextColumn
from recsys.attribution.doctor.weak_hashes import WeakHash, WeakHashSearch

KEPT = 200_000
"""So many of the hashes of a column are kept, for their rows to be found."""
KNOWN = 200_000
"""So many raw ids of each log are tried."""
_FIX = (
    "Hash with a secret: hex(HMAC-SHA256(EXPOSURE_HASH_SALT, id)) with a salt of 32 random bytes or more that only the "
    "service and `recsys-eval hash` know, as recsys-service does. Treat the files that are written already as raw ids."
)


def _look(case: Case, limits: Limits) -> list[Symptom]:
    columns = [column for column in text_columns.ids(case) if column.name == "user_id"] + text_columns.contexts(case)
    search = WeakHashSearch(text_columns.raw_ids(case, KNOWN), examples=KEPT)
    values = dict.fromkeys((column.title for column in columns), 0)
    for column in columns:
        for batch, counts in text_columns.batches(case, column):
            search.add(column.title, batch, counts)
            values[column.title] += len(batch)
    by_title = {column.title: column for column in columns}
    symptoms = []
    for place, weak in enumerate(search.found()):
        if weak.values >= limits["values"]:
            column = by_title[weak.column]
            kept = None if weak.values == values[weak.column] else weak.examples
            found = text_columns.rows_with(case, column, kept, f"weak_{place}")
            first, last = text_columns.span(case, column.log, found)
            keys = tuple(key for key in case.joined.slice_keys if not column.in_context or key != column.name)
            cells = text_columns.cells_of(case, column.log, found, keys)
            symptoms.append(
                Symptom(
                    severity="serious",
                    cause=_cause(column, weak),
                    fix=_FIX,
                    log=column.log,
                    n=weak.rows,
                    of=text_columns.rows_of(case, column.log),
                    subject=f"{column.log}.{column.told}: {weak.function} of {weak.ids}",
                    rows=found,
                    first_us=first,
                    last_us=last,
                    facts=told_by_key(cells, keys),
                )
            )
    return symptoms


def _cause(column: TextColumn, weak: WeakHash) -> str:
    return (
        f"{column.told} of {column.log} can be undone by anybody: {weak.values:,} of its values, in {weak.rows:,} "
        f"rows, are {weak.function} of {weak.ids}, without a secret."
    )


WEAK_HASHES = Detector(
    name="weak_hashes",
    question="Can pseudonyms be undone by guessing?",
    look=_look,
    limits=MappingProxyType({"values": 1}),
)
