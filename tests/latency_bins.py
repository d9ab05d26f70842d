"""The bins of latencies, as the engine sorts them: for histograms of rows that tests make."""

import numpy as np

from recsys.statistics.histogram import BINS_PER_E, LOWEST, SMALLEST


def bins_of(latencies):
    """The bin of each latency in ms."""
    seen = np.maximum(latencies, SMALLEST)
    bins = np.floor(np.log(seen) * BINS_PER_E).astype(np.int64)
    return np.where(latencies < SMALLEST, LOWEST, bins)
