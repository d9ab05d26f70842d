"""Values that are written as the keys of a context: a log that has ever more keys.

A context has a few dozen keys, and most of its rows have most of them. Keys that hardly a row has (under ``rare``, 1 %)
are one of many values in the wrong place: an id, a search, an address. More than ``keys`` (200) of them are a warning:
no slice can be made of them, and the doctor looks at the values of all of them together.
"""

from __future__ import annotations

from types import MappingProxyType

from recsys.attribution.doctor import text_columns
from recsys.attribution.doctor.case import Case
from recsys.attribution.doctor.symptoms import Detector, Limits, Log, Symptom
from recsys.attribution.doctor.text_columns import TextColumn

_LOGS: tuple[Log, ...] = ("exposures", "outcomes", "assignments")


def _look(case: Case, limits: Limits) -> list[Symptom]:
    symptoms = []
    for log in _LOGS:
        if case.keys.get(log, 0) > limits["keys"]:
            rare = limits["rare"] * text_columns.rows_of(case, log)
            n, example = case.one(
                f"SELECT count(*), min(key) FROM (SELECT key, sum(n) AS n FROM {log}_context GROUP BY key) AS keys "
                f"WHERE n < {rare!r}"
            )
            if n > limits["keys"]:
                symptoms.append(_symptom(case, log, int(n), example))
    return symptoms


def _symptom(case: Case, log: Log, n: int, example: str) -> Symptom:
    return Symptom(
        severity="warning",
        cause=f"Values are written as keys: of {case.keys[log]:,} keys in the contexts of {log} hardly any row has "
        f"{n:,}.",
        fix='Write what differs as a value, under a key that is the same in all rows: {"query": "red shoes"}, not '
        '{"red shoes": "1"}.',
        log=log,
        n=n,
        of=case.keys[log],
        unit="keys",
        subject=log,
        rows=text_columns.rows_with(case, TextColumn(log, example, in_context=True), None, ""),
    )


CONTEXT_KEYS = Detector(
    name="context_keys",
    question="Are the keys of contexts the same from row to row?",
    look=_look,
    limits=MappingProxyType({"keys": 200, "rare": 0.01}),
)
