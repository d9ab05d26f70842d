"""Why a row has its fate, in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import UNSET, Struct

from recsys.attribution.policy import Policy
from recsys.attribution.trace.judged import Fate, StandingList
from recsys.attribution.trace.rows import Row, micros
from recsys.contracts.events import Outcome

_DOINGS = {"click": "clicked", "conversion": "converted"}
_UNITS = ((86_400_000_000, "d"), (3_600_000_000, "h"), (60_000_000, "min"))


class Told(Struct, frozen=True):
    """The outcomes of the request and of the events that they share, with their fates, and the request's lists."""

    rows: Sequence[Row]
    fates: Sequence[Fate]
    lists: Sequence[StandingList]
    policy: Policy


def elapsed(us: int) -> str:
    """A length of time, two units of it at most: ``4.1 s``, ``2 min 5 s``, ``3 d 4 h``."""
    us = abs(us)
    if us < 60_000_000:
        return f"{us / 1e6:.3f}".rstrip("0").rstrip(".") + " s"
    for place, (length, unit) in enumerate(_UNITS):
        if us >= length:
            below, word = _UNITS[place + 1] if place + 1 < len(_UNITS) else (1_000_000, "s")
            rest = us % length // below
            return f"{us // length} {unit}" + (f" {rest} {word}" if rest else "")
    raise AssertionError("a minute is the shortest of these")


def of_outcome(place: int, told: Told) -> str:
    """Why the outcome at this place has its fate."""
    row, fate = told.rows[place], told.fates[place]
    record = row.record
    if not isinstance(record, Outcome):
        raise TypeError("an outcome has a record")
    reasons: dict[str, Callable[[], str]] = {
        "attributed": lambda: _attributed(record, fate),
        "duplicate": lambda: _duplicate(record, fate, place, told),
        "orphan": lambda: _orphan(fate),
        "ambiguous": lambda: f"{len(told.lists)} different lists have this request_id, so none of them gets it",
        "not_in_list": lambda: _not_in_list(record, told.lists[0].shown),
        "before_exposure": lambda: f"{_delay(record, fate)}; the tolerance is {_limit(told.policy.tolerance_s)}",
        "after_window": lambda: f"{_delay(record, fate)}; {_window(record, told.policy)}",
        "user_mismatch": lambda: "by another user than the list's, which the policy refuses",
        "later_touch": lambda: _later_touch(record, told),
    }
    reason = reasons[fate.fate]()
    if fate.fate != "user_mismatch" and fate.user_mismatch:
        reason += "; by another user than the list's"
    if fate.anonymous and fate.fate == "attributed":
        reason += "; the list is anonymous"
    return reason


def _attributed(record: Outcome, fate: Fate) -> str:
    doing = f"{_DOINGS[record.event_type]} {_delay(record, fate)}"
    if fate.shown_rank is None:
        return f"{doing}; attributed, though the list did not hold the item, as the policy has it"
    return f"{doing}, at rank {fate.shown_rank}; attributed"


def _delay(record: Outcome, fate: Fate) -> str:
    delay = micros(record.ts) - (fate.exposure_ts_us or 0)
    return f"{elapsed(delay)} {'before' if delay < 0 else 'after'} its list was shown"


def _duplicate(record: Outcome, fate: Fate, place: int, told: Told) -> str:
    key = _key(record)
    same_key = [other for other, row in enumerate(told.rows) if other != place and _key(row.record) == key]
    same_event = [
        other
        for other, row in enumerate(told.rows)
        if other != place and record.event_id is not UNSET and getattr(row.record, "event_id", UNSET) == record.event_id
    ]
    first = min(
        [*same_event, *same_key], key=lambda other: (told.fates[other].fate == "duplicate", other), default=None
    )
    if first is None:
        return "a copy of another row"
    why = f"the same event_id {record.event_id}" if first in same_event else "the same request, item, type and instant"
    differs = "; it differs from it elsewhere, so one of them is wrong" if fate.conflicting else ""
    return f"a copy of {told.rows[first].place}: {why}{differs}"


def _key(record: object) -> tuple[str, str, str, int] | None:
    if not isinstance(record, Outcome):
        return None
    return record.request_id, record.item_id, record.event_type, micros(record.ts)


def _orphan(fate: Fate) -> str:
    if not fate.credits:
        return "no list in these logs has this request_id"
    where = ", ".join(f"{credit.request_id} (rank {credit.rank})" for credit in fate.credits[:3])
    more = f" and {len(fate.credits) - 3} more" if len(fate.credits) > 3 else ""
    return f"no list in these logs has this request_id; inferred: credited to {where}{more}"


def _not_in_list(record: Outcome, shown: Sequence[str]) -> str:
    reason = f"the item is not one of the {len(shown)} that were shown" if shown else "the list was empty"
    alike = [item for item in shown if _plain(item) == _plain(record.item_id)]
    return f"{reason}; {alike[0]!r} is, spelt differently" if alike else reason


def _plain(item: str) -> str:
    return item.strip().casefold()


def _limit(seconds: float | None) -> str:
    return elapsed(round((seconds or 0) * 1e6))


def _window(record: Outcome, policy: Policy) -> str:
    return f"the window of a {record.event_type} is {_limit(policy.windows_s.get(record.event_type))}"


def _later_touch(record: Outcome, told: Told) -> str:
    for other, row in enumerate(told.rows):
        if told.fates[other].fate == "attributed" and _touched(row.record) == _touched(record):
            return f"{row.place} was the first {record.event_type} on this item; the policy counts that one"
    return f"not the first {record.event_type} on this item; the policy counts that one"


def _touched(record: object) -> tuple[str, str, str] | None:
    return None if (key := _key(record)) is None else key[:3]
