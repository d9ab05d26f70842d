"""Whether a log has propensities at all: asked first, so that a log without them pays for no look at its items."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from pathlib import Path

from recsys.attribution.sources import Accepted

_KEY = b'propensity"'
_COLUMN = "(^|, )(logging_)?propensity$"


def may_be_logged(exposures: Accepted) -> bool:
    """False where no item has a propensity. JSON lines are searched for the key (which nobody writes in escapes); of
    Parquet the footers tell whether a column has values."""
    if exposures.kind == "parquet":
        return bool(exposures.paths) and _column_has_values(exposures.paths)
    return any(_holds_key(path) for path in exposures.paths)


def _holds_key(path: Path) -> bool:
    if path.stat().st_size == 0:  # nothing cannot be mapped
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        return text.find(_KEY) >= 0


def _column_has_values(paths: Sequence[Path]) -> bool:
    import duckdb

    from recsys.attribution.engine.parquet import names_of

    with duckdb.connect() as connection:
        found = connection.execute(
            "SELECT coalesce(bool_or(stats_null_count IS NULL OR stats_null_count < num_values), FALSE) "
            f"FROM parquet_metadata({names_of(paths)}) "
            f"WHERE regexp_matches(path_in_schema, '{_COLUMN}')"
        ).fetchone()
    return bool(found and found[0])
