"""What the logs say of themselves that they lost. The indexes count it, so no row is doubted: over the policy's
``max_lost_rate`` the figures cannot be believed, and any loss is worth a look."""

from __future__ import annotations

from datetime import datetime

from recsys.attribution.doctor.breakdown import instant, percent
from recsys.attribution.doctor.case import Case
from recsys.attribution.doctor.symptoms import Detector, Limits, Log, Shift, Symptom
from recsys.attribution.trace.rows import micros
from recsys.contracts.report import KnownGap

SHOWN = 5
_LOGS: tuple[tuple[Log, str], ...] = (
    ("exposures", "lists that were shown"),
    ("outcomes", "outcomes that were sent"),
    ("assignments", "assignments that were made"),
)


def _look(case: Case, _: Limits) -> list[Symptom]:
    logged = {
        "exposures": case.quality.exposures.distinct,
        "outcomes": case.quality.fates.rows,
        "assignments": 0 if case.joined.dataset.assignments is None else case.joined.dataset.assignments.rows,
    }
    symptoms = []
    for log, what in _LOGS:
        gaps = [gap for gap in case.quality.gaps if gap.log == log and gap.lost]
        if gaps:
            symptoms.append(_symptom(case, log, what, gaps, logged[log]))
    return symptoms


def _symptom(case: Case, log: Log, what: str, gaps: list[KnownGap], logged: int) -> Symptom:
    lost = sum(gap.lost for gap in gaps)
    share = lost / (lost + logged)
    first, last = min(gap.first for gap in gaps), max(gap.last for gap in gaps)
    told = [
        f"{gap.lost:,} from {_at(gap.first)} to {_at(gap.last)}, {gap.reason} ({gap.file})." for gap in gaps[:SHOWN]
    ]
    if len(gaps) > SHOWN:
        told.append(f"And {len(gaps) - SHOWN:,} more gaps; `recsys-eval join --format json` lists them all.")
    return Symptom(
        severity="serious" if share > case.joined.policy.max_lost_rate else "warning",
        cause=f"{lost:,} {what} ({percent(share)}) are in no log: the log itself counted them when it could not write.",
        fix=(
            "They cannot be brought back. See to the disk of the log's folder (space, quota, rights) and read "
            "`recsys-service log verify`; EXPOSURE_LOG_ON_ERROR=fail shows nothing that is not logged."
        ),
        log=log,
        n=lost,
        of=lost + logged,
        subject=log,
        first_us=micros(first),
        last_us=micros(last),
        onset_us=micros(first),
        facts=told,
        shift=Shift(exposures_found=lost, note="As if nobody responded to them.") if log == "exposures" else None,
    )


def _at(moment: datetime) -> str:
    return instant(micros(moment))


LOST_RECORDS = Detector(
    name="lost_records",
    question="Do the logs say that they lost something (over attribution.max_lost_rate)?",
    look=_look,
)
