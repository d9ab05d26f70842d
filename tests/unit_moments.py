"""Moments of units written out, for tests."""

import numpy as np

from recsys.statistics.moments import Moments


def moments(y, n) -> Moments:
    """Of each unit's total and count, both whole numbers."""
    pairs = [(int(a), int(b)) for a, b in zip(y, n, strict=True)]
    return Moments(
        units=len(pairs), y=sum(a for a, _ in pairs), n=sum(b for _, b in pairs), yy=sum(a * a for a, _ in pairs),
        yn=sum(a * b for a, b in pairs), nn=sum(b * b for _, b in pairs),
    )  # fmt: skip


def people(rng, count: int, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Clicks and lists of so many units: activity has a long tail, and each has a click rate of its own around
    ``rate``."""
    n = np.minimum(rng.pareto(1.3, count) + 1, 200).astype(int)
    return rng.binomial(n, rng.beta(40 * rate, 40 * (1 - rate), count)), n
