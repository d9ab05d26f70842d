"""Days (UTC) of instants, in SQL and in words."""

from __future__ import annotations

from datetime import date, timedelta

DAY_US = 86_400_000_000
_YEAR_1 = date(1970, 1, 1).toordinal() - 1
"""Days before 1970: a day is counted from year 1, for engines divide towards 0."""


def number(micros: str) -> str:
    """SQL of the day of an instant, counted from year 1."""
    return f"({micros} + {_YEAR_1 * DAY_US}) // {DAY_US}"


def named(day: int | str) -> str:
    """The day of that number, as ``2026-01-31``."""
    return str(date(1, 1, 1) + timedelta(days=int(day)))
