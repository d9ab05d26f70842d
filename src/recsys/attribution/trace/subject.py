"""Whom a request is of, so that the person can be followed."""

from __future__ import annotations

from recsys.attribution.trace import lists
from recsys.attribution.trace.around import Subject, in_rank_order
from recsys.attribution.trace.closure import Closure
from recsys.attribution.trace.judged import Judged
from recsys.attribution.trace.logs import Logs
from recsys.attribution.trace.rows import Record, Row
from recsys.contracts.events import Exposure, Outcome

UNPLACED = frozenset({"orphan", "ambiguous", "not_in_list"})
"""Fates of outcomes whose item is looked for in other lists."""


def of_request(logs: Logs, found: Closure, judged: Judged, request_id: str) -> Subject | None:
    """The user of the list that counts, else of the first outcome; None where it is nobody's, or no row has the id."""
    row = _first(found, judged, request_id)
    if row is None or row.record is None or _is_anonymous(row.record):
        return None
    return Subject(
        request_id=request_id,
        user_ids=logs.all_names(frozenset({row.record.user_id})),
        ts_us=row.ts_us,
        items=in_rank_order(row.record) if isinstance(row.record, Exposure) else (),
        unplaced=_unplaced(found, judged, request_id),
    )


def _first(found: Closure, judged: Judged, request_id: str) -> Row | None:
    """The exposure that counts (of several lists the first), else the first outcome."""
    delivered = lists.delivered(found.named.get("exposures", []), judged.lists.get(request_id, []))
    standing = [each.row for each in delivered if each.standing != "redelivery"]
    outcomes = [row for row in found.named.get("outcomes", []) if row.record is not None]
    return next(iter([*standing, *sorted(outcomes, key=lambda row: row.ts_us)]), None)


def _is_anonymous(record: Record) -> bool:
    return record.user_id == record.request_id or (record.context or {}).get("anonymous") == "true"


def _unplaced(found: Closure, judged: Judged, request_id: str) -> frozenset[str]:
    """The items of the request's outcomes that found no place in a list."""
    return frozenset(
        row.record.item_id
        for row, fate in zip(found.rows["outcomes"], judged.fates, strict=True)
        if isinstance(row.record, Outcome) and row.record.request_id == request_id and fate.fate in UNPLACED
    )
