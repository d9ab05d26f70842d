"""All rows that carry the id of a request, each with its fate and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from msgspec import UNSET

from recsys.attribution.trace import reasons
from recsys.attribution.trace.lists import Delivered
from recsys.attribution.trace.rows import Role, Row, instant
from recsys.contracts import trace as contract
from recsys.contracts.events import Assignment, Outcome

MOST = 200
"""How many rows are told of."""
MOST_FINDINGS = 3


def every(
    named: Mapping[Role, Sequence[Row]], delivered: Sequence[Delivered], judged: reasons.Told
) -> list[contract.TracedRow]:
    """All rows. Those that are not valid come last."""
    return [*map(_exposure, delivered), *_assignments(named), *_outcomes(named, judged), *_invalid(named)]


def bounded(rows: Sequence[contract.TracedRow]) -> tuple[list[contract.TracedRow], dict[str, int]]:
    """The first rows, and how many more there are by log and fate."""
    more = Counter(f"{row.log} {row.fate}" for row in rows[MOST:])
    return list(rows[:MOST]), dict(sorted(more.items()))


def _place(row: Row) -> contract.Place:
    return contract.Place(file=row.file, line=row.line)


def _exposure(each: Delivered) -> contract.TracedRow:
    row = each.row
    fate, reason = "shown", "the list that counts"
    if each.standing == "ambiguous":
        fate, reason = "ambiguous", "another list has this request_id too, so neither attracts anything"
    elif each.standing == "redelivery":
        later = reasons.elapsed(row.ts_us - each.first.ts_us)
        fate, reason = "redelivered", f"the list of {each.first.place} again, {later} later; it counts once"
    return contract.TracedRow(
        log="exposures", at=_place(row), fate=fate, reason=reason, ts=instant(row.ts_us), user_id=each.record.user_id
    )


def _assignments(named: Mapping[Role, Sequence[Row]]) -> Iterator[contract.TracedRow]:
    for row in named.get("assignments", ()):
        if isinstance(record := row.record, Assignment):
            yield contract.TracedRow(
                log="assignments", at=_place(row), fate="assigned",
                reason=f"variant {record.variant} of {record.experiment_id}", ts=instant(row.ts_us),
                user_id=record.user_id,
            )  # fmt: skip


def _outcomes(named: Mapping[Role, Sequence[Row]], judged: reasons.Told) -> Iterator[contract.TracedRow]:
    places = {id(row): place for place, row in enumerate(judged.rows)}
    for row in sorted(named.get("outcomes", ()), key=lambda row: (row.ts_us, row.file, row.line)):
        if isinstance(record := row.record, Outcome):
            place = places[id(row)]
            yield contract.TracedRow(
                log="outcomes", at=_place(row), fate=judged.fates[place].fate, reason=reasons.of_outcome(place, judged),
                ts=instant(row.ts_us), user_id=record.user_id, item_id=record.item_id, event_type=record.event_type,
                value=None if record.value is UNSET else record.value,
                event_id=None if record.event_id is UNSET else record.event_id,
            )  # fmt: skip


def _invalid(named: Mapping[Role, Sequence[Row]]) -> Iterator[contract.TracedRow]:
    for role, rows in named.items():
        for row in rows:
            if row.record is None:
                yield contract.TracedRow(log=role, at=_place(row), fate="invalid", reason=_faults(row))


def _faults(row: Row) -> str:
    """The first faults of a row, without its content: what is wrong may be somebody's name."""
    told = [f"{each.path}: found {each.found}, expected {each.expected}" for each in row.findings[:MOST_FINDINGS]]
    more = len(row.findings) - MOST_FINDINGS
    return "; ".join(told) + (f"; and {more} more faults" if more > 0 else "")
