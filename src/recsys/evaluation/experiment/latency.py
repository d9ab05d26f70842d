"""The latencies of an experiment's exposures, as histograms by arm and bucket of users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recsys.attribution.engine import Engine
from recsys.statistics.histogram import BINS_PER_E, LOWEST, SMALLEST, Histogram, histogram

_BIN = (
    f"CASE WHEN e.latency_ms >= {SMALLEST!r} THEN CAST(floor(ln(e.latency_ms) * {BINS_PER_E!r}) AS BIGINT) "
    f"ELSE {LOWEST} END"
)


@dataclass(frozen=True)
class Latency:
    """Of one arm: ``histogram`` of the exposures that count, and how many of these have none (``missing``). ``users``:
    by bucket, those who have a latency; None where they were not counted."""

    histogram: Histogram
    missing: int
    users: npt.NDArray[np.int64] | None = None


def latencies(
    engine: Engine, arms: Sequence[str], buckets: int, *, count_users: bool = False
) -> dict[str, Latency]:  # fmt: skip
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
    users = _users(engine, arms, buckets) if count_users else {}
    return {
        arm: Latency(histogram(cells[names == arm], buckets), missing.get(arm, 0), users.get(arm)) for arm in arms
    }  # fmt: skip


def _users(engine: Engine, arms: Sequence[str], buckets: int) -> dict[str, npt.NDArray[np.int64]]:
    """Arm → users with a latency by bucket."""
    found = {arm: np.zeros(buckets, dtype=np.int64) for arm in arms}
    for arm, bucket, users in engine.rows(
        "SELECT u.variant, u.bucket, count(*) FROM unit_values AS u WHERE u.user_id IN (SELECT e.user_id "
        "FROM experiment_exposures AS e WHERE e.standing = 'counts' AND e.latency_ms IS NOT NULL) "
        "GROUP BY u.variant, u.bucket"
    ):
        found[arm][int(bucket)] = int(users)
    return found
