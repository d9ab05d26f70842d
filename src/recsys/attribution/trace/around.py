"""What else the subject of a request did at that time."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import UNSET, Struct

from recsys.attribution.trace.logs import Logs
from recsys.attribution.trace.rows import Answer, Ask, Role, Row, instant
from recsys.contracts import trace as contract
from recsys.contracts.events import Exposure, Outcome

MOST = 50
"""How many exposures, and how many outcomes, are told of."""


class Subject(Struct, frozen=True, kw_only=True):
    """Whom a request is of, and when (microseconds since 1970): by its list, or, where it has none, by its first
    outcome. ``items``: of the list, by rank; ``unplaced``: items of outcomes that found no place in a list."""

    request_id: str
    user_ids: frozenset[str]
    ts_us: int
    items: tuple[str, ...] = ()
    unplaced: frozenset[str] = frozenset()


def ask(logs: Logs, subject: Subject, around_us: int) -> dict[Role, Answer]:
    """The subject's exposures and outcomes within so many microseconds, the nearest ones, those of other requests."""
    question = Ask(
        users=subject.user_ids,
        since=subject.ts_us - around_us,
        until=subject.ts_us + around_us,
        but=subject.request_id,
        around=subject.ts_us,
        most=MOST,
    )
    asks: dict[Role, Ask] = {"exposures": question, "outcomes": question}
    return {role: _bounded(answer, subject.ts_us) for role, answer in logs.ask(asks).items()}


def _bounded(answer: Answer, centre: int) -> Answer:
    """The nearest rows of all files together."""
    nearest = sorted(answer.rows, key=lambda row: (abs(row.ts_us - centre), row.file, row.line, row.offset))
    return Answer(rows=nearest[:MOST], more=answer.more + len(nearest[MOST:]), refused=answer.refused)


def told(found: Mapping[Role, Answer], subject: Subject, around_us: int) -> contract.Around:
    """The rows, whose lines are numbered, in order of time."""
    rows = sorted(
        (row for answer in found.values() for row in answer.rows),
        key=lambda row: (row.ts_us, row.file, row.line, row.offset),
    )
    return contract.Around(
        user_ids=sorted(subject.user_ids),
        since=instant(subject.ts_us - around_us),
        until=instant(subject.ts_us + around_us),
        rows=[_neighbour(row, subject) for row in rows],
        more_exposures=found["exposures"].more,
        more_outcomes=found["outcomes"].more,
        invalid=sum(answer.refused for answer in found.values()),
    )


def _neighbour(row: Row, subject: Subject) -> contract.Neighbour:
    record = row.record
    if isinstance(record, Exposure):
        own = {"log": "exposures", **_list(record, subject)}
    elif isinstance(record, Outcome):
        own = {"log": "outcomes", **_event(record, subject)}
    else:
        raise TypeError("a neighbour is an exposure or an outcome")
    return contract.Neighbour(
        at=contract.Place(file=row.file, line=row.line),
        ts=instant(row.ts_us),
        offset_s=(row.ts_us - subject.ts_us) / 1e6,
        request_id=record.request_id,
        **own,
    )


def _list(record: Exposure, subject: Subject) -> dict[str, object]:
    shown = in_rank_order(record)
    return {
        "surface": (record.context or {}).get("surface"),
        "items": len(shown),
        "same_items": bool(shown) and shown == subject.items,
        "shows": sorted(subject.unplaced.intersection(shown)),
    }


def _event(record: Outcome, subject: Subject) -> dict[str, object]:
    rank = subject.items.index(record.item_id) + 1 if record.item_id in subject.items else None
    return {
        "event_type": record.event_type,
        "item_id": record.item_id,
        "value": None if record.value is UNSET else record.value,
        "rank_here": rank,
    }


def in_rank_order(exposure: Exposure) -> tuple[str, ...]:
    """The item ids of a list, the best first."""
    return tuple(item.item_id for item in sorted(exposure.items, key=lambda item: item.rank))
