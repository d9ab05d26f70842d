"""Exposures that have a fault of their own: how many, where, and since when."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct

from recsys.attribution.doctor.breakdown import (
    Cell,
    Where,
    cells,
    instant,
    percent,
    told_by_key,
    total,
    where_and_when,
)
from recsys.attribution.doctor.case import Case


class Marked(Struct, frozen=True, kw_only=True):
    """``n`` of ``of`` distinct exposures, with the first and the last instant in µs; ``place``, ``since_us`` and
    ``until_us``: where and when, if only there and then."""

    n: int
    of: int
    first_us: int | None
    last_us: int | None
    cells: list[Cell]
    keys: tuple[str, ...]
    place: Where | None
    since_us: int | None
    until_us: int | None

    @property
    def share(self) -> float:
        """``n`` ÷ ``of``, 0 over nothing."""
        return self.n / self.of if self.of else 0.0

    @property
    def amount(self) -> str:
        """The share in words, for the beginning of a sentence about exposures."""
        return "All" if self.n == self.of else f"{self.n:,} ({percent(self.share)}) of the"

    @property
    def where_and_when(self) -> str:
        """Words for the end of a sentence: " of device=app, since …"; empty where it is everywhere and always."""
        told = "" if self.place is None else f", mostly of {self.place}"
        told += f", since {instant(self.since_us)}" if self.since_us is not None else ""
        return told + (f", until {instant(self.until_us)}" if self.until_us is not None else "")

    def told_by_key(self, most: int = 3) -> list[str]:
        """Facts: the counts by value of the keys that part it most."""
        return told_by_key(self.cells, self.keys, most)


def marked(case: Case, condition: str, count: str, *, leave_out: Collection[str] = ()) -> Marked:
    """The exposures for which ``condition``, over the columns of ``exposures``, holds; ``count`` says the same over the
    columns of ``exposure_marks``. ``leave_out``: keys that it is about, which are no place of it."""
    case.table("exposure_marks")
    slices = [(key, column) for key, column in case.slices if key not in leave_out]
    columns = ", ".join(column for _, column in slices)
    keys = tuple(key for key, _ in slices)
    rows = case.rows(
        f"SELECT bucket_us, {columns}, sum(n), sum({count}) FROM exposure_marks GROUP BY bucket_us, {columns}"
    )
    found = cells(rows, len(keys))
    counted = total(found)
    place, seen = where_and_when(found, keys)
    first, last = case.one(f"SELECT min(ts_us), max(ts_us) FROM exposures WHERE {condition}")
    since = until = None
    if seen is not None and seen.since_us is not None:
        [since] = case.one(f"SELECT min(ts_us) FROM exposures WHERE ({condition}) AND ts_us >= {seen.since_us}")
    if seen is not None and seen.until_us is not None:
        [until] = case.one(f"SELECT max(ts_us) FROM exposures WHERE ({condition}) AND ts_us < {seen.until_us}")
    return Marked(
        n=counted.hit, of=counted.n, first_us=first, last_us=last, cells=found, keys=keys, place=place,
        since_us=since, until_us=until,
    )  # fmt: skip
