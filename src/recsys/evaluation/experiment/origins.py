"""Where the units of each arm come from: where the cause is looked for when the arms have not the units they should."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from recsys.attribution.join import Joined
from recsys.contracts.report import UNKNOWN

DAY = "day"
_DAY_US = 86_400_000_000
_YEAR_1 = date(1970, 1, 1).toordinal() - 1
"""Days before 1970: a day is counted from year 1, for engines divide towards 0."""
Origins = dict[tuple[str, str], dict[str, int]]
"""(Key, value) → arm → units."""


def origins(joined: Joined, keys: Sequence[str]) -> Origins:
    """Units by arm and by what their first assignment says: of slice keys, and of its ``day`` (UTC)."""
    found: Origins = {}
    for key in keys:
        found |= _units_by(joined, key, f"coalesce(slice_{joined.slice_keys.index(key) + 1}, '{UNKNOWN}')")
    days = _units_by(joined, DAY, f"(first_ts_us + {_YEAR_1 * _DAY_US}) // {_DAY_US}")
    return found | {(DAY, str(date(1, 1, 1) + timedelta(days=int(day)))): arms for (_, day), arms in days.items()}


def _units_by(joined: Joined, key: str, expression: str) -> Origins:
    rows = joined.engine.rows(
        f"WITH placed AS (SELECT {expression} AS value, variant FROM first_assignments) "
        "SELECT value, variant, count(*) FROM placed GROUP BY value, variant"
    )
    found: Origins = {}
    for value, arm, units in sorted(rows):
        found.setdefault((key, value), {})[arm] = units
    return found
