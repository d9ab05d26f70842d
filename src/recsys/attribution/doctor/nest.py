"""Findings about the same rows become one: the cause stands on top, what it explains is nested under it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from recsys.attribution.doctor.case import Case
from recsys.attribution.doctor.symptoms import Rows, Symptom

Explains = Mapping[str, frozenset[str]]
"""Detector → those whose findings it may explain."""
EXPLAINED = 0.8
"""A symptom is explained by a cause that this share of its rows has."""


def parents(case: Case, named: Sequence[tuple[str, Symptom]], explains: Explains) -> dict[int, int]:
    """Symptom → the symptom that explains it, by position; ``named`` are they with the names of their detectors, causes
    first. What explains is itself not explained by another."""
    symptoms = [symptom for _, symptom in named]
    common = _common_rows(case, symptoms)
    found: dict[int, int] = {}
    for place in range(len(symptoms)):
        causes = [
            cause
            for cause in range(place)
            if cause not in found
            and _may_explain(named[cause][0], named[place][0], explains)
            and common.get((cause, place), 0) >= EXPLAINED * common.get((place, place), math.inf)
        ]
        if causes:
            found[place] = causes[0]
    return found


def _may_explain(cause: str, other: str, explains: Explains) -> bool:
    return cause == other or other in explains.get(cause, frozenset())


def _common_rows(case: Case, symptoms: Sequence[Symptom]) -> dict[tuple[int, int], int]:
    """How many rows two symptoms have in common, by their positions, the smaller one first; and how many there are of
    each. Exposures and assignments are both told by their request."""
    common: dict[tuple[int, int], int] = {}
    by_log: dict[bool, dict[int, str]] = defaultdict(dict)
    for place, symptom in enumerate(symptoms):
        rows = symptom.rows or Rows()
        if rows.query:
            by_log[symptom.log == "outcomes"][place] = rows.query
        if rows.outcomes:
            by_log[True][place] = rows.outcomes
        for other in range(place + 1):
            common |= _common_places(symptoms, other, place)
    for of_outcomes, queries in by_log.items():
        if len(queries) > 1:
            counted = _counted(case, queries)
            own = {place for place in queries if (symptoms[place].log == "outcomes") == of_outcomes}
            common |= {pair: n for pair, n in counted.items() if pair[0] != pair[1] or pair[0] in own}
    return common


def _common_places(symptoms: Sequence[Symptom], one: int, two: int) -> dict[tuple[int, int], int]:
    first, second = symptoms[one].rows, symptoms[two].rows
    if first is None or second is None:
        return {}
    n = len(first.places & second.places)
    return {(one, two): n} if n else {}


def _counted(case: Case, queries: Mapping[int, str]) -> dict[tuple[int, int], int]:
    """Of symptoms of one log, by the queries for their rows."""
    tagged = " UNION ALL ".join(
        f"SELECT DISTINCT {place} AS place, row FROM ({query}) AS rows_{place}" for place, query in queries.items()
    )
    case.joined.engine.create("concerned", tagged)
    counted = case.rows(
        "SELECT a.place, b.place, count(*) FROM concerned AS a INNER JOIN concerned AS b ON a.row = b.row "
        "WHERE a.place <= b.place GROUP BY a.place, b.place"
    )
    return {(one, two): n for one, two, n in counted}
