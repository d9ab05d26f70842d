"""Findings about the same rows become one: the cause stands on top, what it explains is nested under it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from recsys.attribution.doctor.case import Case
from recsys.attribution.doctor.symptoms import Symptom

EXPLAINED = 0.8
"""A symptom is explained by a cause that this share of its rows has."""


def parents(case: Case, symptoms: Sequence[Symptom]) -> dict[int, int]:
    """Symptom → the symptom that explains it, by position. Of two about the same rows the earlier one is the cause, so
    ``symptoms`` come in the order of their detectors; what explains is itself not explained by another."""
    common = _common_rows(case, symptoms)
    found: dict[int, int] = {}
    for place, symptom in enumerate(symptoms):
        causes = [
            cause
            for cause in range(place)
            if cause not in found and symptom.n and common.get((cause, place), 0) >= EXPLAINED * symptom.n
        ]
        if causes:
            found[place] = causes[0]
    return found


def _common_rows(case: Case, symptoms: Sequence[Symptom]) -> dict[tuple[int, int], int]:
    """How many rows two symptoms of one log have in common, by their positions, the smaller one first."""
    common: dict[tuple[int, int], int] = {}
    by_log: dict[str, list[int]] = defaultdict(list)
    for place, symptom in enumerate(symptoms):
        if symptom.rows is not None and symptom.rows.query:
            by_log[symptom.log].append(place)
        for other in range(place):
            common |= _common_places(symptoms, other, place)
    for places in by_log.values():
        if len(places) > 1:
            common |= _counted(case, symptoms, places)
    return common


def _common_places(symptoms: Sequence[Symptom], one: int, two: int) -> dict[tuple[int, int], int]:
    first, second = symptoms[one].rows, symptoms[two].rows
    if first is None or second is None:
        return {}
    n = len(first.places & second.places)
    return {(one, two): n} if n else {}


def _counted(case: Case, symptoms: Sequence[Symptom], places: Sequence[int]) -> dict[tuple[int, int], int]:
    """Of symptoms of one log, whose rows a query gives."""
    tagged = " UNION ALL ".join(
        f"SELECT DISTINCT {place} AS place, row FROM ({rows.query}) AS rows_{place}"
        for place in places
        if (rows := symptoms[place].rows) is not None
    )
    case.joined.engine.create("concerned", tagged)
    counted = case.rows(
        "SELECT a.place, b.place, count(*) FROM concerned AS a INNER JOIN concerned AS b ON a.row = b.row "
        "WHERE a.place < b.place GROUP BY a.place, b.place"
    )
    return {(one, two): n for one, two, n in counted}
