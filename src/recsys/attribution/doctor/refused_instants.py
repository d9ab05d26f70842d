"""When a line was that validation refused."""

from __future__ import annotations

from datetime import datetime

from recsys.attribution.doctor.case import Refused
from recsys.attribution.trace.rows import micros


def instant_us(line: Refused) -> int | None:
    """When it was, as far as the line says; µs since 1970."""
    try:
        return micros(datetime.fromisoformat((line.record or {})["ts"].upper()))
    except (KeyError, TypeError, AttributeError, ValueError):
        return None
