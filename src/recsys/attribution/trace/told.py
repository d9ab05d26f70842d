"""All that was found, put into the words and the order of the contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from recsys import __version__
from recsys.attribution.trace import applied, around, experiments, lists, near, reasons, told_rows, verdicts
from recsys.attribution.trace.around import Subject
from recsys.attribution.trace.asked import Asked
from recsys.attribution.trace.closure import Closure
from recsys.attribution.trace.judged import Judged
from recsys.attribution.trace.lists import Delivered
from recsys.attribution.trace.logs import Logs
from recsys.attribution.trace.rows import ROLES, Answer, Role, instant
from recsys.contracts import trace as contract
from recsys.contracts.report import KnownGap


class Found(Struct, frozen=True):
    """The logs, the rows with their lines numbered, their fates, the subject with what it did, and ids alike."""

    logs: Logs
    closure: Closure
    judged: Judged
    subject: Subject | None
    neighbours: Mapping[Role, Answer]
    resembling: list[contract.NearId]


def told(found: Found, asked: Asked, now: datetime) -> contract.Trace:
    """The trace."""
    logs, named, outcomes = found.logs, found.closure.named, found.closure.rows["outcomes"]
    standing = found.judged.lists.get(asked.request_id, [])
    delivered = lists.delivered(named.get("exposures", []), standing)
    events = lists.events(asked.request_id, outcomes, found.judged.fates, standing[0].ts_us if standing else 0)
    shown = [lists.told(each, standing, events) for each in delivered]
    every = told_rows.every(named, delivered, reasons.Told(outcomes, found.judged.fates, standing, asked.policy))
    rows, more = told_rows.bounded(every)
    gaps = _gaps(found, asked.around_us) if shown else logs.gaps
    return contract.Trace(
        created_at=now,
        version=__version__,
        request_id=asked.request_id,
        status=verdicts.status(shown, every),
        headline=verdicts.headline(shown, every),
        policy=asked.policy.effective(),
        inputs={role: logs.names[role] for role in ROLES if role in logs.names},
        lists=shown,
        experiments=experiments.told(
            [each.record for each in delivered], named.get("assignments", []), "assignments" in logs.names
        ),
        rows=rows,
        more_rows=more,
        around=_around(found, asked),
        applied=_applied(asked, delivered),
        near=found.resembling,
        checks=_checks(found, asked, every, gaps) if not shown else [],
        gaps=gaps,
    )


def _around(found: Found, asked: Asked) -> contract.Around | None:
    if found.subject is None or not found.neighbours:
        return None
    return around.told(found.neighbours, found.subject, asked.around_us)


def _applied(asked: Asked, delivered: Sequence[Delivered]) -> contract.Applied | None:
    if asked.snapshot is None or not delivered:
        return None
    standing = [each for each in delivered if each.standing != "redelivery"]
    made = applied.told(*asked.snapshot, standing[0].record)
    if len(standing) == 1:
        return made
    note = f"This is what the list of {standing[0].row.place} was ranked by, one of {len(standing)} with this id."
    return replace(made, notes=[note, *made.notes])


def _checks(found: Found, asked: Asked, rows: Sequence[contract.TracedRow], gaps: Sequence[KnownGap]) -> list[str]:
    """What to look at where there is no list."""
    unused = (
        [] if asked.snapshot is None else ["The snapshot says nothing here: there is no list that it could explain."]
    )
    if rows:
        return [*verdicts.without_list(rows), *unused]
    span = found.logs.span("exposures")
    instants = None if span is None else (instant(span[0]), instant(span[1]))
    return [*near.checks(asked.request_id, instants, len(gaps), found.resembling), *unused]


def _gaps(found: Found, around_us: int) -> list[KnownGap]:
    """What the logs lost at the time of the request; all that they lost where that is nobody's."""
    if found.subject is None:
        return found.logs.gaps
    since, until = instant(found.subject.ts_us - around_us), instant(found.subject.ts_us + around_us)
    return [gap for gap in found.logs.gaps if gap.first <= until and gap.last >= since]
