"""The A/A check: does the test of a ratio keep its level on these users?

The users are divided into two arms at random, again and again, with no effect by construction. The p-values of the
difference must then be uniform; a test that takes dependent rows for independent ones, or a few users that make up
most of a figure, shows as p-values that are too small. They are compared with the uniform distribution by the
Kolmogorov-Smirnov test, and fail at p < 0.001 (Kohavi, Tang & Xu, "Trustworthy online controlled experiments", 2020,
chapter 19).

Each division is a row of 0 and 1; the sums of an arm over all divisions are a matrix product with the users' sums and
their products, some users at a time. Those of the other arm are what is left of the whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SPLITS = 1_000
ALPHA = 0.001
USERS = 500
"""Users at a time: their divisions fit into a processor's cache."""


@dataclass(frozen=True)
class AACheck:
    """``p``: that the p-values are uniform; None where ``note`` says why there is none. ``rejected``: share of the
    divisions with a difference at 5 %. ``splits``: divisions that had a p-value."""

    p: float | None
    statistic: float | None = None
    rejected: float | None = None
    splits: int = 0
    note: str = ""

    @property
    def passes(self) -> bool:
        """Whether the check was made, and does not speak against the test."""
        return self.p is not None and self.p >= ALPHA


def aa_check(y: np.ndarray, n: np.ndarray, *, seed: int, splits: int = SPLITS, share: float = 0.5) -> AACheck:
    """Of each user's sums, whole numbers. ``share``: of the users that the second arm gets. ValueError where the arrays
    are not of the same users, or the share is not between 0 and 1."""
    if len(y) != len(n):
        raise ValueError(f"the sums must be of the same users; found {len(y)} and {len(n)}")
    if not 0 < share < 1:
        raise ValueError(f"a share must be between 0 and 1; found {share}")
    if len(y) < 4:
        return AACheck(None, note="fewer than four users: nothing to divide")
    p = p_values(y, n, seed=seed, splits=splits, share=share)
    p = p[~np.isnan(p)]
    if len(p) < splits / 2:
        return AACheck(None, splits=len(p), note="most divisions have no p-value: users do not differ, or are too few")
    return uniform(p)


def uniform(p: np.ndarray) -> AACheck:
    """Whether p-values are uniform, by the exact two-sided Kolmogorov-Smirnov test."""
    from scipy.stats import kstest

    statistic, chance = kstest(p, "uniform")
    return AACheck(float(chance), float(statistic), float((p < 0.05).mean()), len(p))


def p_values(y: np.ndarray, n: np.ndarray, *, seed: int, splits: int = SPLITS, share: float = 0.5) -> np.ndarray:
    """Of the difference of ΣY/ΣN between two arms, by the delta method and Student's t, for each division; NaN where an
    arm has fewer than two users, or nothing to take a mean of, or no arm has a variance."""
    stream, sums, arm = np.random.PCG64(seed), _sums(y, n), np.zeros((splits, 6))
    for start in range(0, len(y), USERS):
        part = sums[start : start + USERS]
        arm += divisions(stream, splits, len(part), share).astype(float) @ part
    return _p(arm, sums.sum(axis=0))


def divisions(stream: np.random.PCG64, splits: int, users: int, share: float) -> np.ndarray:
    """[splits × users]: who is in the second arm, each by sixteen random bits of the stream."""
    raw = stream.random_raw((splits, -(-users // 4))).astype("<u8")
    return raw.view("<u2")[:, :users] < share * 2**16


def _sums(y: np.ndarray, n: np.ndarray) -> np.ndarray:
    """[users × 6] of 1, N, e, e², eN, N², with e = Y − R·N of the pooled ratio: so no large numbers cancel."""
    n = n.astype(float)
    expected = (y.sum() / n.sum() if n.sum() else 0.0) * n
    e = np.where(np.isclose(y, expected, rtol=1e-12, atol=0), 0.0, y - expected)
    return np.stack([np.ones(len(n)), n, e, e * e, e * n, n * n], axis=1)


def _p(arm: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Two-sided p of each row of an arm's sums against what is left of the whole."""
    from scipy.special import stdtr

    (one, variance, units), (other, variance_other, units_other) = _ratio(arm), _ratio(whole - arm)
    total = variance + variance_other
    with np.errstate(divide="ignore", invalid="ignore"):
        degrees = total**2 / (variance**2 / (units - 1) + variance_other**2 / (units_other - 1))
        t = np.abs(one - other) / np.sqrt(total)
    p = 2 * stdtr(degrees, -t)
    return np.where(np.isfinite(t) & np.isfinite(degrees) & (total > 0), p, np.nan)


def _ratio(arm: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Deviation of the ratio from the pooled one, its variance by the delta method, and the units; NaN where none."""
    units, n, e, ee, en, nn = arm.T
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = e / n
        squares = np.maximum(ee - 2 * ratio * en + ratio**2 * nn, 0)
        return ratio, squares * units / ((units - 1) * n**2), units
