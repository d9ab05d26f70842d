"""The lists that were shown for a request, with what happened to each of their items."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from msgspec import UNSET, Struct

from recsys.attribution.trace.judged import Fate, StandingList
from recsys.attribution.trace.rows import Row, instant, micros
from recsys.contracts import trace as contract
from recsys.contracts.events import Exposure, Item, Outcome

MOST_EVENTS = 20
"""How many events of one item are told of."""
Standing = Literal["counts", "redelivery", "ambiguous"]


class Delivered(Struct, frozen=True):
    """An exposure row with its record, and what it is to the join. ``first``: the row that it delivers again."""

    row: Row
    record: Exposure
    standing: Standing
    first: Row


def delivered(rows: Sequence[Row], lists: Sequence[StandingList]) -> list[Delivered]:
    """The exposure rows of one request: of copies of a list the one stands that stands in the join; several lists are
    ambiguous."""
    copies: dict[tuple[tuple[int, str], ...], list[tuple[Row, Exposure]]] = {}
    for row in rows:
        if isinstance(row.record, Exposure):
            copies.setdefault(_pairs(row.record), []).append((row, row.record))
    standing: Standing = "counts" if len(copies) == 1 else "ambiguous"
    stand = [each.row for each in lists]
    found = []
    for group in copies.values():
        [first] = [row for row, _ in group if row in stand]
        found += [Delivered(row, rec, standing if row is first else "redelivery", first) for row, rec in group]
    return sorted(found, key=lambda each: (each.row.ts_us, rows.index(each.row)))


def _pairs(record: Exposure) -> tuple[tuple[int, str], ...]:
    return tuple(sorted((item.rank, item.item_id) for item in record.items))


def told(
    each: Delivered, standing: Sequence[StandingList], events: Mapping[str, Sequence[contract.ItemEvent]]
) -> contract.ShownList:
    """The list in full; ``events`` by item, where it is the one that counts."""
    record = each.record
    odd = next(own.odd for own in standing if own.row is each.first)
    return contract.ShownList(
        at=contract.Place(file=each.row.file, line=each.row.line),
        format="service_v1" if each.row.service else "exposure.v1",
        standing=each.standing,
        ts=instant(each.row.ts_us),
        user_id=record.user_id,
        anonymous=(record.context or {}).get("anonymous") == "true",
        latency_ms=_known(record.latency_ms),
        error=record.error is True,
        context=dict(record.context or {}),
        odd=list(odd),
        items=list(_items(each, events if each.standing == "counts" else {})),
    )


def _items(each: Delivered, events: Mapping[str, Sequence[contract.ItemEvent]]) -> Iterator[contract.ShownItem]:
    items: list[Item] = each.record.items
    scores = each.row.scores or [None] * len(items)
    untold = dict(events)
    for item, score in sorted(zip(items, scores, strict=True), key=lambda pair: (pair[0].rank, pair[0].item_id)):
        own = untold.pop(item.item_id, ())  # of an item that is there twice, at its first place
        yield contract.ShownItem(
            rank=item.rank, item_id=item.item_id, score=score, propensity=_known(item.propensity),
            logging_propensity=_known(item.logging_propensity), target_propensity=_known(item.target_propensity),
            events=list(own[:MOST_EVENTS]), more_events=len(own[MOST_EVENTS:]),
        )  # fmt: skip


def events(
    request_id: str, outcomes: Sequence[Row], fates: Sequence[Fate], shown_at: int
) -> dict[str, list[contract.ItemEvent]]:
    """What happened to each item: outcomes of the request, and orphans that are credited to its list, by time."""
    found: dict[str, list[contract.ItemEvent]] = {}
    in_time = sorted(zip(outcomes, fates, strict=True), key=lambda each: (each[0].ts_us, each[1].fate != "attributed"))
    for row, fate in in_time:
        record = row.record
        if not isinstance(record, Outcome):
            continue
        credited = [credit for credit in fate.credits if credit.request_id == request_id]
        if record.request_id == request_id or credited:
            found.setdefault(record.item_id, []).append(
                contract.ItemEvent(
                    event_type=record.event_type, ts=instant(row.ts_us),
                    delay_s=(micros(record.ts) - shown_at) / 1e6, value=_known(record.value), fate=fate.fate,
                    counted=fate.fate == "attributed", inferred=bool(credited),
                    shared=credited[0].shared if credited else 1,
                    at=contract.Place(file=row.file, line=row.line),
                )
            )  # fmt: skip
    return found


def _known(value: Any) -> Any:
    return None if value is UNSET else value
