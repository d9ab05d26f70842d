"""Where the units of each arm come from: where the cause is looked for when the arms have not the units they should."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recsys.contracts.report import UNKNOWN
from recsys.evaluation.experiment import utc_days

if TYPE_CHECKING:
    from recsys.attribution.join import Joined

DAY = "day"
Origins = dict[tuple[str, str], dict[str, int]]
"""(Key, value) → arm → units."""


def origins(joined: Joined, keys: Sequence[str]) -> Origins:
    """Units by arm and by what their first assignment says: of slice keys, and of its ``day`` (UTC)."""
    places = [joined.slice_keys.index(key) + 1 for key in keys]
    values = "".join(f", coalesce(slice_{place}, '{UNKNOWN}') AS slice_{place}" for place in places)
    joined.engine.create(
        "unit_origins",
        f"SELECT variant, {utc_days.number('first_ts_us')} AS first_day{values} FROM first_assignments",
    )
    found: Origins = {}
    for key, place in zip(keys, places, strict=True):
        found |= _units_by(joined, key, f"slice_{place}")
    days = _units_by(joined, DAY, "first_day")
    return found | {(DAY, utc_days.named(day)): arms for (_, day), arms in days.items()}


def _units_by(joined: Joined, key: str, column: str) -> Origins:
    rows = joined.engine.rows(f"SELECT {column}, variant, count(*) FROM unit_origins GROUP BY {column}, variant")
    found: Origins = {}
    for value, arm, units in sorted(rows):
        found.setdefault((key, value), {})[arm] = units
    return found
