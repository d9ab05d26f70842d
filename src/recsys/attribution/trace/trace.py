"""One request traced: the logs are asked for the few rows that matter, these are joined, and the whole is told."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from recsys import __version__
from recsys.attribution.policy import Policy
from recsys.attribution.sources import DEFAULT_SLICE_KEYS, Dataset
from recsys.attribution.trace import applied, around, closure, experiments, lists, near, reasons, told_rows, verdicts
from recsys.attribution.trace.around import Subject
from recsys.attribution.trace.closure import Closure
from recsys.attribution.trace.judged import Judged, judge
from recsys.attribution.trace.lists import Delivered
from recsys.attribution.trace.logs import Logs
from recsys.attribution.trace.rows import ROLES, Answer, Record, Role, Row, instant
from recsys.contracts import trace as contract
from recsys.contracts.events import Exposure, Outcome
from recsys.contracts.report import KnownGap
from recsys.contracts.snapshot import Snapshot
from recsys.contracts.types import ID_PATTERN, MAX_ID_LENGTH
from recsys.errors import UsageError
from recsys.eventlog.validation import Progress

DEFAULT_AROUND_S = 1800.0


class Asked(Struct, frozen=True, kw_only=True):
    """What is to be traced. ``around_s``: how many seconds before and after the request its subject is followed; 0 for
    not at all. ``snapshot``: the file with its name, where one was given."""

    request_id: str
    policy: Policy
    slice_keys: tuple[str, ...] = DEFAULT_SLICE_KEYS
    around_s: float = DEFAULT_AROUND_S
    snapshot: tuple[str, Snapshot] | None = None


def trace(dataset: Dataset, asked: Asked, now: datetime, on_progress: Progress | None = None) -> contract.Trace:
    """Everything that the logs say of the request. UsageError for what cannot be an id; InputError where a log cannot
    be read."""
    _check_id(asked.request_id)
    with tempfile.TemporaryDirectory(prefix="recsys-") as name:
        scratch = Path(name)
        logs = Logs(dataset, scratch, on_progress)
        found = closure.of_request(logs, asked.request_id, asked.policy)
        judged = judge(found.rows, logs.aliases, asked.policy, scratch, asked.slice_keys)
        subject = _subject(logs, found, judged, asked)
        neighbours = around.ask(logs, subject, _micros(asked.around_s)) if subject and asked.around_s else {}
        logs.number(_all_rows(found, neighbours))
        return _told(logs, found, judged, subject, neighbours, asked, now)


def _check_id(request_id: str) -> None:
    if len(request_id) > MAX_ID_LENGTH or not re.fullmatch(ID_PATTERN, request_id):
        expected = f"1 to {MAX_ID_LENGTH} characters, not blank, no control characters"
        raise UsageError("not a request id", found=ascii(request_id[:80]), expected=expected)
    if any("\ud800" <= char <= "\udfff" for char in request_id):
        raise UsageError("not a request id", found="bytes that are no UTF-8", expected="text")


def _micros(seconds: float) -> int:
    return round(seconds * 1_000_000)


def _all_rows(found: Closure, neighbours: Mapping[Role, Answer]) -> list[Row]:
    every = [row for rows in (*found.named.values(), *found.rows.values()) for row in rows]
    every += [row for answer in neighbours.values() for row in answer.rows]
    return list({id(row): row for row in every}.values())


def _subject(logs: Logs, found: Closure, judged: Judged, asked: Asked) -> Subject | None:
    """Whom to follow: the user of the list that counts, else of the first outcome; nobody where it is anonymous."""
    fates = zip(found.rows["outcomes"], judged.fates, strict=True)
    unplaced = frozenset(
        row.record.item_id
        for row, fate in fates
        if isinstance(row.record, Outcome)
        and row.record.request_id == asked.request_id
        and fate.fate in {"orphan", "ambiguous", "not_in_list"}
    )
    named = [*lists.delivered(found.named.get("exposures", []), logs.present)]
    of_list = next((each for each in named if each.standing != "redelivery"), None)
    rows = [each.row for each in named if each is of_list] or sorted(
        (row for row in found.named.get("outcomes", []) if row.record is not None), key=lambda row: row.ts_us
    )
    if not rows or rows[0].record is None or _is_anonymous(rows[0].record):
        return None
    record = rows[0].record
    return Subject(
        request_id=asked.request_id,
        user_ids=logs.all_names(frozenset({record.user_id})),
        ts_us=rows[0].ts_us,
        items=around.in_rank_order(record) if isinstance(record, Exposure) else (),
        unplaced=unplaced,
    )


def _is_anonymous(record: Record) -> bool:
    return record.user_id == record.request_id or (record.context or {}).get("anonymous") == "true"


def _told(
    logs: Logs, found: Closure, judged: Judged, subject: Subject | None, neighbours: dict[Role, Answer], asked: Asked,
    now: datetime,
) -> contract.Trace:  # fmt: skip
    delivered = lists.delivered(found.named.get("exposures", []), logs.present)
    standing = judged.lists.get(asked.request_id, [])
    outcomes = found.rows["outcomes"]
    shown = _shown(delivered, judged, outcomes, asked.request_id)
    every = told_rows.every(found.named, delivered, reasons.Told(outcomes, judged.fates, standing, asked.policy))
    status = verdicts.status(shown, every)
    rows, more = told_rows.bounded(every)
    resembling = [] if every else near.nearest(asked.request_id, logs.resembling(near.sought(asked.request_id)))
    gaps = _gaps(logs, subject if shown else None, _micros(asked.around_s))
    checks = verdicts.without_list(every) if status == "no_exposure" else []
    if status == "unknown":
        checks = near.checks(asked.request_id, _span(logs), len(gaps), resembling)
    return contract.Trace(
        created_at=now,
        version=__version__,
        request_id=asked.request_id,
        status=status,
        headline=verdicts.headline(shown, every),
        policy=asked.policy.effective(),
        inputs={role: logs.names[role] for role in ROLES if role in logs.names},
        lists=shown,
        experiments=experiments.told(
            [each.record for each in delivered], found.named.get("assignments", []), "assignments" in logs.names
        ),
        rows=rows,
        more_rows=more,
        around=around.told(neighbours, subject, _micros(asked.around_s)) if subject and neighbours else None,
        applied=_applied(asked, delivered),
        near=resembling,
        checks=checks,
        gaps=gaps,
    )


def _shown(
    delivered: Sequence[Delivered], judged: Judged, outcomes: Sequence[Row], request_id: str
) -> list[contract.ShownList]:
    standing = judged.lists.get(request_id, [])
    shown_at = standing[0].ts_us if standing else 0
    events = lists.events(request_id, outcomes, judged.fates, shown_at)
    return [lists.told(each, standing, events) for each in delivered]


def _gaps(logs: Logs, subject: Subject | None, around_us: int) -> list[KnownGap]:
    """What the logs lost at the time of the request; all that they lost where that is not known."""
    if subject is None:
        return logs.gaps
    since, until = instant(subject.ts_us - around_us), instant(subject.ts_us + around_us)
    return [gap for gap in logs.gaps if gap.first <= until and gap.last >= since]


def _span(logs: Logs) -> tuple[datetime, datetime] | None:
    span = logs.span("exposures")
    return None if span is None else (instant(span[0]), instant(span[1]))


def _applied(asked: Asked, delivered: Sequence[Delivered]) -> contract.Applied | None:
    if asked.snapshot is None or not delivered:
        return None
    return applied.told(*asked.snapshot, delivered[0].record)
