"""Log-histograms of latencies: counts in bins of equal width of the logarithm, which add over shards, days and users.

A latency of x ms is in bin ⌊k·ln x⌋ with k = ``BINS_PER_E``: 64 bins for each doubling, each 1.09 % wide. What is under
``SMALLEST`` (a microsecond), 0 too, is in the bin ``LOWEST``. A quantile is the value that a share q of the latencies
are at or under (the inverse of the distribution function), interpolated within its bin on the log scale: it is in the
bin of the exact one, so at most 1.1 % away. Differences of less than a bin are not resolved.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

BINS_PER_DOUBLING = 64
BINS_PER_E = BINS_PER_DOUBLING / math.log(2)
SMALLEST = 0.001
LOWEST = math.floor(math.log(SMALLEST) * BINS_PER_E) - 1
_SLACK = 1 - 1e-12
"""q·n is rounded: a rank that is reached must not be missed by the last bit."""


@dataclass(frozen=True)
class Histogram:
    """``bins``: the bins that are occupied, ascending. ``counts``: [buckets × bins] latencies of each bucket of users
    in each bin."""

    bins: np.ndarray
    counts: np.ndarray

    @property
    def total(self) -> int:
        """Latencies in all."""
        return int(self.counts.sum())

    @property
    def occupied(self) -> int:
        """Buckets with a latency."""
        return int(np.count_nonzero(self.counts.any(axis=1)))

    def quantile(self, q: float) -> float | None:
        """In ms over all buckets; None of nothing."""
        return quantile(self.bins, self.counts.sum(axis=0), q)


def histogram(cells: Iterable[tuple[int, int, int]] | np.ndarray, buckets: int) -> Histogram:
    """Of (bucket, bin, count), in any order; counts of the same cell add. ValueError for a bucket that is not there, a
    bin under the lowest, or a negative count."""
    rows = cells if isinstance(cells, np.ndarray) else np.array(list(cells), dtype=np.int64).reshape(-1, 3)
    bucket, place, count = rows.T
    if len(rows) and (bucket.min() < 0 or bucket.max() >= buckets):
        raise ValueError(f"buckets must be in 0..{buckets - 1}; found {bucket.min()}..{bucket.max()}")
    if len(rows) and place.min() < LOWEST:
        raise ValueError(f"bins must be {LOWEST} or more; found {place.min()}")
    if len(rows) and count.min() < 0:
        raise ValueError(f"counts must be 0 or more; found {count.min()}")
    bins, column = np.unique(place, return_inverse=True)
    counts = np.zeros((buckets, len(bins)), dtype=np.int64)
    np.add.at(counts, (bucket, column), count)
    return Histogram(bins, counts)


def quantile(bins: np.ndarray, counts: np.ndarray, q: float) -> float | None:
    """The quantile of one row of counts, in ms; None of nothing. ValueError for q outside of (0, 1)."""
    value = float(quantiles(bins, counts[None], q)[0])
    return None if math.isnan(value) else value


def quantiles(bins: np.ndarray, counts: np.ndarray, q: float) -> np.ndarray:
    """The quantile of each row of [rows × bins] counts or weights, in ms; NaN, which ``quantile`` makes None, of a row
    of nothing."""
    if not 0 < q < 1:
        raise ValueError(f"a quantile must be between 0 and 1; found {q}")
    rows, width = counts.shape
    if width == 0:
        return np.full(rows, np.nan)
    until = np.cumsum(counts, axis=1, dtype=float)
    rank = q * until[:, -1]
    place = np.minimum((until < rank[:, None] * _SLACK).sum(axis=1), width - 1)
    here = np.arange(rows)
    inside = counts[here, place].astype(float)
    share = np.clip((rank - until[here, place] + inside) / np.where(inside > 0, inside, 1), 0, 1)
    found = bins[place]
    value = np.where(found == LOWEST, share * SMALLEST, np.exp((found + share) / BINS_PER_E))
    return np.where(until[:, -1] > 0, value, np.nan)
