"""The Poisson bootstrap on buckets of users: for quantiles, whose error no sum of squares tells.

Users are in B buckets by a hash that does not depend on the arm. A replicate weighs each bucket by a Poisson number
with mean 1, which is resampling with replacement of a stream (Chamandy et al., "Estimating uncertainty for massive data
streams", 2012); all rows of a user have one weight, so rows that depend on each other stay together. The standard error
is the standard deviation of the figure over the replicates, times √(B/(B−1)) as for a variance over B occupied buckets.

The arms are different users, so they get independent weights. Weights come of a seed and of nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from recsys.statistics.histogram import Histogram, quantiles
from recsys.statistics.ratio import FEW_UNITS

REPLICATES = 1_000
_STEPS = 2**16
_CHUNK = 128
"""Replicates that are floats at a time."""
_STILL = 1e-9
"""Quantiles that differ by less than this share differ by rounding."""


@dataclass(frozen=True)
class QuantileDifference:
    """``value``: candidate − control in ms; ``ratio``: candidate/control − 1. They are None where an arm has nothing,
    the errors are None where ``note`` says why. ``degrees``: the occupied buckets of the arm with fewer, less one."""

    control: float | None
    candidate: float | None
    value: float | None
    ratio: float | None
    se: float | None = None
    se_ratio: float | None = None
    degrees: int = 0
    note: str = ""


@dataclass(frozen=True)
class QuantileLevel:
    """Of one arm, in ms. ``value`` is None of nothing; ``se`` is None where ``note`` says why."""

    value: float | None
    se: float | None = None
    degrees: int = 0
    note: str = ""


def replicates(seed: int | np.random.SeedSequence, buckets: int, count: int = REPLICATES) -> np.ndarray:
    """[count × buckets] Poisson weights with mean 1, a byte each.

    Sixteen random bits are looked up in the distribution function in steps of 2⁻¹⁶: several times faster than NumPy's
    own, and the variance is that of the distribution to four digits.
    """
    raw = np.random.PCG64(seed).random_raw(-(-count * buckets // 4)).astype("<u8")
    return np.take(_weights(), raw.view("<u2")[: count * buckets]).reshape(count, buckets)


def ratios(y: np.ndarray, n: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """[replicates × figures] ratios ΣY/ΣN of [buckets × figures] sums, by one matrix product; NaN where ΣN is 0."""
    sums = _weighted(weights, np.concatenate([y, n], axis=1, dtype=float))
    above, below = sums[:, : y.shape[1]], sums[:, y.shape[1] :]
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below != 0)


def _weighted(weights: np.ndarray, sums: np.ndarray) -> np.ndarray:
    """weights @ sums; only a part of the bytes are floats at a time."""
    parts = range(0, len(weights), _CHUNK)
    return np.concatenate([weights[start : start + _CHUNK].astype(float) @ sums for start in parts])


def quantile_difference(
    control: Histogram, candidate: Histogram, q: float, *, seed: int, count: int = REPLICATES
) -> QuantileDifference:
    """The quantiles of two arms, how they differ, and the standard errors by ``count`` replicates."""
    before, after = control.quantile(q), candidate.quantile(q)
    if before is None or after is None:
        return QuantileDifference(before, after, None, None, note="an arm has nothing to take a quantile of")
    occupied = (control.occupied, candidate.occupied)
    found = QuantileDifference(
        before, after, after - before, after / before - 1, degrees=max(min(occupied) - 1, 0),
        note="an arm has one bucket of users: no interval can be given" if min(occupied) < 2 else "",
    )  # fmt: skip
    if found.note:
        return found
    own, other = np.random.SeedSequence(seed).spawn(2)
    drawn, others = _quantiles(control, q, own, count), _quantiles(candidate, q, other, count)
    return _with_errors(found, drawn, others, [math.sqrt(size / (size - 1)) for size in occupied])


def quantile_level(arm: Histogram, q: float, *, seed: int, count: int = REPLICATES) -> QuantileLevel:
    """The quantile of one arm, with its standard error by ``count`` replicates."""
    value, size = arm.quantile(q), arm.occupied
    if value is None:
        return QuantileLevel(None, note="there is nothing to take a quantile of")
    if size < 2:
        return QuantileLevel(value, note="one bucket of users: no interval can be given")
    drawn = _quantiles(arm, q, np.random.SeedSequence(seed), count)
    drawn = drawn[~np.isnan(drawn)]
    if len(drawn) < 2:
        return QuantileLevel(value, degrees=size - 1, note="too few replicates: no interval can be given")
    if np.ptp(drawn) <= _STILL * value:
        return QuantileLevel(value, degrees=size - 1, note="buckets do not differ: no interval can be given")
    return QuantileLevel(value, float(np.std(drawn, ddof=1) * np.sqrt(size / (size - 1))), size - 1)


def _quantiles(arm: Histogram, q: float, seed: np.random.SeedSequence, count: int) -> np.ndarray:
    """The quantile of each replicate; NaN of one that weighs all by 0."""
    counts = arm.counts[arm.counts.any(axis=1)].astype(float)
    return quantiles(arm.bins, _weighted(replicates(seed, len(counts), count), counts), q)


def _with_errors(
    found: QuantileDifference, before: np.ndarray, after: np.ndarray, stretch: Sequence[float]
) -> QuantileDifference:
    """The arms are independent, so their squared errors add."""
    whole = ~(np.isnan(before) | np.isnan(after))
    before, after = before[whole], after[whole]
    if len(before) < 2:
        return replace(found, note="too few replicates: no interval can be given")
    if np.ptp(before) <= _STILL * before.max() and np.ptp(after) <= _STILL * after.max():
        return replace(found, note="buckets do not differ: no interval can be given")
    se = math.hypot(stretch[0] * np.std(before, ddof=1), stretch[1] * np.std(after, ddof=1))
    se_ratio = max(stretch) * float(np.std(after / before, ddof=1))
    few = found.degrees + 1
    note = f"only {few} occupied buckets in an arm: the interval is rough" if few < FEW_UNITS else ""
    return replace(found, se=se, se_ratio=se_ratio, note=note)


@cache
def _weights() -> np.ndarray:
    """The weight of each of 2¹⁶ equally likely numbers."""
    steps, probability, until = [], math.exp(-1), 0.0
    for weight in range(10):
        until += probability / math.factorial(weight)
        steps.append(round(until * _STEPS))
    return np.searchsorted(steps, np.arange(_STEPS), side="right").astype(np.uint8)
