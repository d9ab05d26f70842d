"""The latencies of an experiment's exposures, as histograms by arm and bucket of users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recsys.attribution.engine import Engine
from recsys.statistics.histogram import BINS_PER_E, LOWEST, SMALLEST, Histogram, histogram

_BIN = (
    f"CASE WHEN e.latency_ms >= {SMALLEST!r} THEN CAST(floor(ln(e.latency_ms) * {BINS_PER_E!r}) AS BIGINT) "
    f"ELSE {LOWEST} END"
)


@dataclass(frozen=True)
class Latency:
    """Of one arm: ``histogram`` of the exposures that count, and how many of these have none (``missing``)."""

    histogram: Histogram
    missing: int


def latencies(engine: Engine, arms: Sequence[str], buckets: int) -> dict[str, Latency]:
    """By arm; ``unit_values`` is there."""
    found = engine.columns(
        f"WITH logged AS (SELECT e.user_id, {_BIN} AS bin FROM experiment_exposures AS e "
        "WHERE e.standing = 'counts' AND e.latency_ms IS NOT NULL) "
        "SELECT u.variant, CAST(u.bucket AS BIGINT) AS bucket, l.bin, count(*) AS n FROM logged AS l "
        "INNER JOIN unit_values AS u ON l.user_id = u.user_id GROUP BY u.variant, u.bucket, l.bin"
    )
    missing = dict(
        engine.rows(
            "SELECT variant, count(*) FROM experiment_exposures "
            "WHERE standing = 'counts' AND latency_ms IS NULL GROUP BY variant"
        )
    )
    cells = np.column_stack([found[name].astype(np.int64) for name in ("bucket", "bin", "n")])
    names = np.asarray(found["variant"], dtype=object)
    return {arm: Latency(histogram(cells[names == arm], buckets), missing.get(arm, 0)) for arm in arms}
