"""A figure with its interval, which reports, experiments and decisions share."""

from __future__ import annotations

from msgspec import Struct


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all parts of a document share."""


class Estimate(Part, frozen=True, kw_only=True):
    """A figure with its interval. ``n`` counts the exposures (or items) it is over, ``units`` the users behind it."""

    value: float | None
    n: int
    units: int | None = None
    low: float | None = None
    high: float | None = None
    level: float | None = None
    method: str = ""
    note: str = ""
