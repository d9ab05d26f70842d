"""Where a log begins in the middle of a stream: outcomes of lists that were shown before it find nothing, by no fault.

An orphan may be one of these as long after the first exposure as all but a hundredth of its type's outcomes come after
their lists (of fewer than 100, by what the latest says of delays that fall off exponentially). Of a type whose outcomes
come later than half of the log's time nothing can be told, so there it always may; of one that never finds its list no
delay is known, so there it never may.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from recsys.attribution.doctor.case import Case, text

LATEST = 0.99
"""The share of a type's outcomes that come no later than the delay that is taken."""


class Beginning(NamedTuple):
    """Up to when an orphan may be of a list before the log: event type → µs since 1970, or None for always."""

    first_us: int
    until_us: dict[str, int | None]

    def early(self, column: str) -> str:
        """An SQL condition over ``fate``, ``event_type`` and ``column``, an instant or a bucket of time."""
        return _orphans(
            f"event_type = {text(kind)}" + ("" if until is None else f" AND {column} < {until}")
            for kind, until in self.until_us.items()
        )

    def too_early(self) -> str:
        """An SQL condition over the columns of ``outcome_fates``: orphans that are earlier than the first exposure by
        more than that, so that their lists were, too."""
        return _orphans(
            f"event_type = {text(kind)} AND ts_us < {2 * self.first_us - until}"
            for kind, until in self.until_us.items()
            if until is not None
        )


def _orphans(parts: Iterable[str]) -> str:
    told = " OR ".join(f"({part})" for part in parts)
    return f"(fate = 'orphan' AND ({told}))" if told else "FALSE"


def beginning(case: Case) -> Beginning:
    """The beginning of the exposures of a case, those of the future and of the far past left out."""
    first, last = case.one(
        f"SELECT min(ts_us), max(ts_us) FROM exposures WHERE ts_us BETWEEN {case.earliest_us} AND {case.as_of_us}"
    )
    until: dict[str, int | None] = {}
    if first is None:
        return Beginning(0, until)
    found = "exposure_ts_us IS NOT NULL AND fate <> 'duplicate'"
    counted = case.rows(f"SELECT event_type, count(*) FROM outcome_fates WHERE {found} GROUP BY event_type ORDER BY 1")
    for kind, n in counted:
        [(seen_us,)] = case.rows(
            f"SELECT ts_us - exposure_ts_us AS delay_us FROM outcome_fates WHERE {found} "
            f"AND event_type = {text(kind)} ORDER BY delay_us LIMIT 1 OFFSET {min(n - 1, int(n * LATEST))}"
        )
        delay_us = round(max(seen_us, 0) * _beyond(n))
        until[kind] = None if delay_us * 2 > last - first else first + delay_us
    return Beginning(first, until)


def _beyond(n: int) -> float:
    """How many times the latest of ``n`` delays that is which a share of ``LATEST`` does not exceed, if delays fall off
    exponentially; 1 where so many are seen that it is among them."""
    if n >= 1 / (1 - LATEST):
        return 1.0
    return -math.log(1 - LATEST) / sum(1 / place for place in range(1, n + 1))
