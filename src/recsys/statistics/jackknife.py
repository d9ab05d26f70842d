"""The error of a figure that is no mean, by leaving out one group of users at a time.

With D_(−g) the figure without group g, one of G groups by a hash of the user, which are alike, the variance is

    (G−1)/G · Σ_g (D_(−g) − D̄)²

(the delete-a-group jackknife: Kott, "The delete-a-group jackknife", Journal of Official Statistics 2001), and the
interval takes Student's t with G − 1 degrees of freedom. Where only m of the groups are left out in turn, for each
costs a pass over all items, their Σ is taken times (G−1)/(m−1), and the degrees of freedom are m − 1. Of a difference
between two runs on the same groups of users, the differences are left out in turn, so what both share cancels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from recsys.statistics.ratio import LEVEL, Ratio, t_quantile

FEWEST = 8
"""Of fewer groups no error can be told."""
ROUNDING = 1e-12
"""Figures that differ by less, in relation to their size, differ by rounding."""


def jackknife(
    value: float | None,
    left_out: Sequence[float],
    *,
    groups: int,
    level: float = LEVEL,
    lowest: float = -math.inf,
    highest: float = math.inf,
) -> Ratio:
    """``value`` with its interval, cut at the range of the figure. ``left_out``: the figure without each of the
    groups that are left out, of those ``groups`` that have users."""
    if value is None:
        return Ratio(None, note="nothing was shown")
    if len(left_out) < FEWEST:
        note = f"users fall into {len(left_out)} groups, under {FEWEST}: no interval can be given"
        return Ratio(value, note=note)
    found = np.asarray(left_out, dtype=float)
    if np.ptp(found) <= ROUNDING * max(float(np.abs(found).max()), abs(value)):
        return Ratio(value, note="groups of users do not differ: no interval can be given")
    se = (groups - 1) * math.sqrt(float(np.var(found, ddof=1)) / groups)
    half = se * t_quantile(len(found) - 1, level)
    return Ratio(value, se, max(value - half, lowest), min(value + half, highest))
