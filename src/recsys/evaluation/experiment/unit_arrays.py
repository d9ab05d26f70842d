"""Two columns of every unit, for checks that divide the units anew."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from recsys.evaluation.experiment.products import LOW, LOW_BITS
from recsys.evaluation.experiment.settle import Settled, values


def unit_arrays(settled: Settled, y: str, n: str | None) -> tuple[npt.NDArray, npt.NDArray]:
    """Two columns of each unit, whatever its arm, in an order that only the users' ids decide; ``n`` None is 1."""
    places = {column: f"c_{number}" for number, column in enumerate(settled.products.columns)}
    chosen = [places[y], "1" if n is None else places[n]]
    parts = ", ".join(
        f"CAST(CAST({column} AS HUGEINT) >> {LOW_BITS} AS BIGINT) AS h_{place}, "
        f"CAST(CAST({column} AS HUGEINT) & {LOW - 1} AS BIGINT) AS l_{place}"
        for place, column in enumerate(chosen)
    )
    found = settled.engine.columns(
        f"SELECT {parts} FROM ({values(settled, None)}) AS v ORDER BY md5('recsys:' || v.user_id), v.user_id"
    )
    return _put_together(found, 0), _put_together(found, 1)


def _put_together(found: Mapping[str, npt.NDArray], place: int) -> npt.NDArray:
    high, low = found[f"h_{place}"], found[f"l_{place}"]
    if len(high) and np.abs(high).max() >= 2**32:
        return high.astype(object) * LOW + low.astype(object)
    return high.astype(np.int64) * LOW + low.astype(np.int64)
