"""Rows that are later than now: a clock that is ahead, or a unit that was mistaken.

``tolerance_seconds``: so much may any clock be ahead. One row is worth a look (``warning`` 0: any); from ``serious``
(1 %) on windows, days and onsets are wrong.
"""

from __future__ import annotations

from types import MappingProxyType

from recsys.attribution.doctor.breakdown import instant, percent
from recsys.attribution.doctor.case import Case
from recsys.attribution.doctor.symptoms import Detector, Limits, Log, Rows, Symptom, graded

_ROWS: tuple[tuple[Log, str], ...] = (("exposures", "request_id"), ("outcomes", "row_number"))


def _look(case: Case, limits: Limits) -> list[Symptom]:
    latest = case.as_of_us + round(limits["tolerance_seconds"] * 1_000_000)
    symptoms = []
    for log, row in _ROWS:
        later = f"FROM staged_{log} WHERE ts_us > {latest}"
        n, first, last = case.one(f"SELECT count(*), min(ts_us), max(ts_us) {later}")
        (of,) = case.one(f"SELECT count(*) FROM staged_{log}")
        severity = graded(n, of, limits)
        if severity is not None:
            symptoms.append(
                Symptom(
                    severity=severity,
                    cause=f"{n:,} {log} ({percent(n / of)}) are later than now, {instant(case.as_of_us)}; the last one "
                    f"is of {instant(last)}.",
                    fix="Set the clocks by NTP, and send instants in UTC with their offset. Old logs: give --now.",
                    log=log,
                    n=n,
                    of=of,
                    subject=log,
                    rows=Rows(query=f"SELECT {row} AS row {later}"),
                    first_us=first,
                    last_us=last,
                )
            )
    return symptoms


FUTURE = Detector(
    name="future",
    question="Is every row of the past?",
    look=_look,
    limits=MappingProxyType({"tolerance_seconds": 60.0, "warning": 0.0, "serious": 0.01}),
)
