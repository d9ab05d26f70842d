"""Rows that are far in the past: a clock that was never set, or a unit that was mistaken.

Far is before 1990, or so long before the median of the exposures that it exceeds a year and 20 times what the middle
half of them takes. One row is worth a look (``warning`` 0: any); from ``serious`` (1 %) on windows, days and onsets are
wrong.
"""

from __future__ import annotations

from types import MappingProxyType

from recsys.attribution.doctor.breakdown import instant, percent
from recsys.attribution.doctor.case import Case
from recsys.attribution.doctor.symptoms import Detector, Limits, Log, Rows, Symptom, graded

_ROWS: tuple[tuple[Log, str], ...] = (("exposures", "request_id"), ("outcomes", "row_number"))


def _look(case: Case, limits: Limits) -> list[Symptom]:
    symptoms = []
    for log, row in _ROWS:
        earlier = f"FROM staged_{log} WHERE ts_us < {case.earliest_us}"
        n, first, last = case.one(f"SELECT count(*), min(ts_us), max(ts_us) {earlier}")
        (of,) = case.one(f"SELECT count(*) FROM staged_{log}")
        severity = graded(n, of, limits)
        if severity is not None:
            symptoms.append(
                Symptom(
                    severity=severity,
                    cause=f"{n:,} of {of:,} {log} ({percent(n / of)}) are far in the past, long before the others; the "
                    f"first one is of {instant(first)}.",
                    fix="Set the clocks by NTP before anything is logged, and write ts in the unit and form of the "
                    "contract: seconds that are taken for milliseconds are of 1970.",
                    log=log,
                    n=n,
                    of=of,
                    subject=log,
                    rows=_rows(log, row, case.earliest_us),
                    first_us=first,
                    last_us=last,
                )
            )
    return symptoms


def _rows(log: Log, row: str, earliest_us: int) -> Rows:
    """These rows; of exposures their outcomes too."""
    own = f"SELECT {row} AS row FROM staged_{log} WHERE ts_us < {earliest_us}"
    theirs = f"SELECT row_number AS row FROM outcome_fates WHERE exposure_ts_us < {earliest_us}"
    return Rows(query=own, outcomes=theirs if log == "exposures" else "")


FAR_PAST = Detector(
    name="far_past",
    question="Is no row long before all others?",
    look=_look,
    limits=MappingProxyType({"warning": 0.0, "serious": 0.01}),
)
