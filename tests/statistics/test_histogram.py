"""Histograms of latencies: against NumPy's quantiles of the rows, and DuckDB's logarithm."""

import math

import duckdb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latency_bins import bins_of
from recsys.statistics.histogram import BINS_PER_E, LOWEST, SMALLEST, histogram, quantile, quantiles

latencies = st.lists(st.floats(0, 1e7, allow_subnormal=False), min_size=1, max_size=200)


def cells(values, buckets=None):
    """One row a latency."""
    buckets = np.zeros(len(values), int) if buckets is None else buckets
    return [(int(b), int(i), 1) for b, i in zip(buckets, bins_of(np.asarray(values, float)), strict=True)]


@given(latencies, st.sampled_from([0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999]))
def test_a_quantile_is_numpys_within_a_bin(values, q):
    """Of any rows, at most 1.1 % away from NumPy's inverse of the distribution function; a microsecond for what is
    smaller."""
    found = histogram(cells(values), 1).quantile(q)
    oracle = np.quantile(values, q, method="inverted_cdf")
    assert found == pytest.approx(oracle, rel=0.011, abs=SMALLEST)


@pytest.mark.parametrize("q", [0.5, 0.95, 0.99])
def test_of_many_rows_too(q):
    """Log-normal latencies in many buckets: the buckets add."""
    rng = np.random.default_rng(3)
    values, buckets = rng.lognormal(4, 0.8, 50_000), rng.integers(0, 64, 50_000)
    found = histogram(cells(values, buckets), 64)
    assert found.total == 50_000
    assert found.occupied == 64
    assert found.quantile(q) == pytest.approx(np.quantile(values, q, method="inverted_cdf"), rel=0.011)


def test_rows_of_weights_are_quantiles_of_repeated_rows():
    """A row of [rows × bins] with a weight of 2 is one in which each latency stands twice."""
    rng = np.random.default_rng(4)
    values, buckets = rng.lognormal(3, 1, 400), rng.integers(0, 5, 400)
    found = histogram(cells(values, buckets), 5)
    weights = rng.poisson(1, (20, 5))
    for row, value in zip(weights, quantiles(found.bins, weights @ found.counts, 0.9), strict=True):
        repeated = np.repeat(values, row[buckets])
        if len(repeated):
            assert value == pytest.approx(np.quantile(repeated, 0.9, method="inverted_cdf"), rel=0.011)
        else:
            assert math.isnan(value)


def test_the_bins_are_those_of_the_engine():
    """DuckDB's ⌊k·ln x⌋ is NumPy's, for latencies that are not within rounding of an edge."""
    values = np.random.default_rng(5).lognormal(3, 3, 3_000)
    values = values[values > SMALLEST * 1.01]
    rows = duckdb.execute(
        f"SELECT CAST(floor(ln(x) * {BINS_PER_E!r}) AS INTEGER) FROM (SELECT unnest($x) AS x)", {"x": values.tolist()}
    ).fetchall()
    assert [row[0] for row in rows] == bins_of(values).tolist()
    assert math.exp(1 / BINS_PER_E) - 1 < 0.011
    assert bins_of(np.array([0, SMALLEST / 2, SMALLEST, 1, 2])).tolist() == [LOWEST, LOWEST, LOWEST + 1, 0, 64]


def test_cells_add_and_nonsense_is_refused():
    """The same cell twice is added up; buckets, bins, counts and quantiles that cannot be are errors."""
    assert histogram([(0, 5, 2), (1, 5, 1), (0, 5, 3)], 2).counts.tolist() == [[5], [1]]
    assert histogram(np.array([[0, 5, 2], [1, 6, 1]]), 2).counts.tolist() == [[2, 0], [0, 1]]
    for wrong, message in (((2, 5, 1), "buckets"), ((0, LOWEST - 1, 1), "bins"), ((0, 5, -1), "counts")):
        with pytest.raises(ValueError, match=message):
            histogram([wrong], 2)
    for q in (0, 1, 95):
        with pytest.raises(ValueError, match="between 0 and 1"):
            quantile(np.array([1]), np.array([1]), q)


def test_nothing_has_no_quantile():
    """No latency at all, and no bin."""
    assert histogram([], 4).quantile(0.95) is None
    assert histogram([], 4).occupied == 0
    assert quantile(np.array([3, 9]), np.array([0, 0]), 0.5) is None
