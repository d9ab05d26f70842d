"""What a row must be to become an item or an event; anything else is said in words."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from recsys.contracts.types import FIRST_YEAR, ID_PATTERN, LAST_YEAR, MAX_ID_LENGTH

ITEM_FIELDS = ("item_id", "tags", "title", "brand", "category", "price", "created_at")
EVENT_FIELDS = ("user_id", "item_id", "event_type", "ts", "value", "surface")
ITEM_NEEDED, EVENT_NEEDED = ("item_id",), ("user_id", "item_id", "ts")
MAX_TAGS = 200
MAX_TEXT = 2_000
MAX_EVENT_TYPE = 64
_ID = re.compile(ID_PATTERN.removesuffix("$") + r"\Z")
_SURROGATE = re.compile("[\ud800-\udfff]")  # half a character: JSON can spell it, UTF-8 cannot
_PRINTABLE = 10**40
_EPOCH_SECONDS = (0, 7_289_654_400)  # 1970 to 2200
_NUMBER = re.compile(r"-?\d+(\.\d+)?\Z", re.ASCII)


class BadRowError(Exception):
    """A row that cannot be taken; its text says which field, what was found and what was expected."""


class ItemValues(NamedTuple):
    """An item, as the database keeps it."""

    item_id: str
    tags: list[str]
    title: str | None
    brand: str | None
    category: str | None
    price: float | None
    created_at: datetime | None


class EventValues(NamedTuple):
    """An event, as the database keeps it: the user is a pseudonym."""

    user_id: str
    item_id: str
    event_type: str
    ts: datetime
    value: float | None
    surface: str | None


def item(row: Mapping[str, Any]) -> ItemValues:
    """The item of a row; BadRowError says what is wrong. Tags are a list, or text split at | or blanks."""
    return ItemValues(
        item_id=_id(row, "item_id"),
        tags=_tags(row.get("tags")),
        title=_text(row, "title"),
        brand=_text(row, "brand"),
        category=_text(row, "category"),
        price=_number(row, "price"),
        created_at=_instant(row, "created_at") if "created_at" in row else None,
    )


def event(row: Mapping[str, Any], pseudonym: Callable[[str], str]) -> EventValues:
    """The event of a row; BadRowError where a field cannot be used. ``ts`` is RFC 3339 or seconds since 1970."""
    return EventValues(
        user_id=pseudonym(_id(row, "user_id")),
        item_id=_id(row, "item_id"),
        event_type=_id(row, "event_type", MAX_EVENT_TYPE),
        ts=_instant(row, "ts"),
        value=_number(row, "value"),
        surface=_text(row, "surface"),
    )


def _id(row: Mapping[str, Any], name: str, longest: int = MAX_ID_LENGTH) -> str:
    value = row.get(name)
    if value is None:
        raise BadRowError(f"{name} is missing")
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise BadRowError(f"{name}: found {type(value).__name__}, expected text")
    text = str(value)
    plain = text.isascii() and text.isprintable() and not text.isspace()  # what most ids are, told without the pattern
    if not 0 < len(text) <= longest or not (plain or (_ID.match(text) and not _broken(text))):
        expected = f"1 to {longest}, not blank, no control characters, whole Unicode"
        raise BadRowError(f"{name}: found {len(text)} characters, expected {expected}")
    return text


def _text(row: Mapping[str, Any], name: str) -> str | None:
    value = row.get(name)
    if value is None:
        return None
    text = str(value)
    if len(text) > MAX_TEXT or _broken(text):
        raise BadRowError(f"{name}: found {len(text)} characters, expected at most {MAX_TEXT}, no NUL, whole Unicode")
    return text


def _broken(text: str) -> bool:
    """Whether the database could not keep the text."""
    return "\0" in text or (not text.isascii() and _SURROGATE.search(text) is not None)


def _tags(value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str):
        value = value.split("|") if "|" in value else value.split()
    if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
        raise BadRowError("tags: expected a list of text")
    tags = list(dict.fromkeys(tag.strip() for tag in value if tag.strip()))
    if len(tags) > MAX_TAGS or any(len(tag) > MAX_ID_LENGTH or _broken(tag) for tag in tags):
        raise BadRowError(f"tags: found {len(tags)} tags, expected at most {MAX_TAGS} of {MAX_ID_LENGTH} characters")
    return tags


def _number(row: Mapping[str, Any], name: str) -> float | None:
    value = row.get(name)
    if value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise BadRowError(f"{name}: found {_short(value)}, expected a number") from None
    if isinstance(value, bool) or not math.isfinite(number):
        raise BadRowError(f"{name}: found {_short(value)}, expected a finite number")
    return number


def _short(value: Any) -> str:
    """The value in a few characters; a whole number may have more digits than Python would print."""
    if isinstance(value, int) and abs(value) > _PRINTABLE:
        return "a very large number"
    return repr(value if isinstance(value, str) else str(value))[:40]


def _instant(row: Mapping[str, Any], name: str) -> datetime:
    value = row.get(name)
    if value is None:
        raise BadRowError(f"{name} is missing")
    if isinstance(value, str) and not _NUMBER.match(value):
        return _written(name, value)
    if isinstance(value, datetime):  # Parquet's
        raise BadRowError(f"{name}: found a time without a time zone, expected one with, such as UTC")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadRowError(
            f"{name}: found {type(value).__name__}, expected RFC 3339 with an offset, or seconds since 1970"
        )
    try:
        seconds = float(value)
    except OverflowError:
        seconds = math.inf
    if not _EPOCH_SECONDS[0] <= seconds < _EPOCH_SECONDS[1]:
        hint = "; milliseconds must be divided by 1000" if seconds > _EPOCH_SECONDS[1] else ""
        raise BadRowError(f"{name}: found {_short(value)}, expected seconds since 1970{hint}")
    return datetime.fromtimestamp(seconds, UTC)


def _written(name: str, value: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value.upper().replace("Z", "+00:00"))
    except ValueError:
        raise BadRowError(f"{name}: found {_short(value)}, expected RFC 3339 such as 2026-02-05T10:00:00Z") from None
    if moment.tzinfo is None:
        raise BadRowError(f"{name}: found {_short(value)} without an offset, expected one, such as Z or +02:00")
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise BadRowError(f"{name}: found the year {moment.year}, expected {FIRST_YEAR} to {LAST_YEAR}")
    return moment.astimezone(UTC)
