"""Pseudonyms that anybody can undo: hashes of ids that can be guessed, without a secret key.

User ids, and context values that look like hashes, are compared with what common functions make of guesses and of the
raw ids that stand in the logs (``weak_hashes``). One that fits is no chance (under 10⁻⁶), so it is serious (``values``:
fewer are silent): who has the log has the ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType

from recsys.attribution.doctor import text_columns
from recsys.attribution.doctor.breakdown import told_by_key
from recsys.attribution.doctor.case import Case
from recsys.attribution.doctor.symptoms import Detector, Limits, Symptom
from recsys.attribution.doctor.text_columns import Batches, TextColumn
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
    search = WeakHashSearch(text_columns.raw_ids(case, KNOWN), examples=KEPT)
    by_title, values = {}, {}
    for column, batches in _columns(case):
        by_title[column.title], values[column.title] = column, 0
        for batch, counts in batches:
            search.add(column.title, batch, counts)
            values[column.title] += len(batch)
    symptoms = []
    for place, weak in enumerate(search.found()):
        if weak.values >= limits["values"]:
            column = by_title[weak.column]
            kept = None if weak.values == values[weak.column] and not column.others else weak.examples
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


def _columns(case: Case) -> Iterator[tuple[TextColumn, Batches]]:
    for column in text_columns.ids(case):
        if column.name == "user_id":
            yield column, text_columns.batches(case, column)
    yield from text_columns.contexts(case)


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
