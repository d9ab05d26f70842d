"""Does an effect differ between slices? One test of all of them together, rather than a look at the largest.

d_s is the difference of the ratios ΣY/ΣN of the two arms in slice s. Slices may share users (one person on a phone and
at a desk), so their effects depend on each other: the covariance comes of the linearised residuals of buckets of users,

    e_sb = (Y − R·N)/ΣN of the candidate − the same of the control,      V = B/(B−1) · Σ_b e_b e_bᵀ,

over the B buckets that are occupied in any slice. With the K−1 differences c = C·d from the first slice, Hotelling's

    T² = cᵀ (C V Cᵀ)⁻¹ c,        F = T² · (B−K+1) / ((K−1)(B−1))

has an F distribution with (K−1, B−K+1) degrees of freedom where all d_s have the same expectation (Hotelling 1931).

A slice of which an arm is in fewer than 30 buckets, or has no variance, is left out and named: its error is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

FEW_BUCKETS = 30
BUCKETS_PER_SLICE = 20
_SINGULAR = 1e-9


@dataclass(frozen=True)
class SliceSums:
    """Whole-number sums of one slice by bucket, of either arm."""

    y_control: np.ndarray
    n_control: np.ndarray
    y_candidate: np.ndarray
    n_candidate: np.ndarray


@dataclass(frozen=True)
class Interaction:
    """``effects``: candidate − control of the slices that are compared. ``left_out``: the others, with the reason.
    ``p`` is None where there is no test, and ``note`` says why. ``degrees``: of the F distribution."""

    effects: dict[str, float] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    statistic: float | None = None
    degrees: tuple[int, int] = (0, 0)
    p: float | None = None
    note: str = ""


def interaction(slices: Mapping[str, SliceSums], *, scale: int = 1) -> Interaction:
    """The test of equal effects. ``y`` is in units of 1/``scale``. ValueError where slices have not the same buckets.

    No test where fewer than two slices are left, or there are more than one for 20 occupied buckets.
    """
    shapes = {len(column) for sums in slices.values() for column in _columns(sums)}
    if len(shapes) > 1:
        raise ValueError(f"slices must have the same buckets; found {sorted(shapes)}")
    reasons = {name: _unfit(sums) for name, sums in slices.items()}
    left_out = {name: reason for name, reason in reasons.items() if reason}
    kept = [name for name, reason in reasons.items() if not reason]
    effects = {name: _effect(slices[name]) / scale for name in kept}
    if len(kept) < 2:
        return Interaction(effects, left_out, note="fewer than two slices can be compared")
    residuals = np.stack([_residuals(slices[name]) for name in kept])
    occupied = np.any([column != 0 for name in kept for column in _columns(slices[name])], axis=0)
    return _test(effects, left_out, residuals[:, occupied] / scale)


def _test(effects: dict[str, float], left_out: dict[str, str], residuals: np.ndarray) -> Interaction:
    slices, buckets = residuals.shape
    if slices * BUCKETS_PER_SLICE > buckets:
        note = f"{slices} slices are too many for {buckets} occupied buckets; at most {buckets // BUCKETS_PER_SLICE}"
        return Interaction(effects, left_out, note=note)
    apart = np.array(list(effects.values()))[1:] - next(iter(effects.values()))
    away = residuals[1:] - residuals[:1]
    spread = np.sqrt((away**2).sum(axis=1) * buckets / (buckets - 1))
    if not spread.all():
        return Interaction(effects, left_out, note="two slices are the same: no test can be given")
    standard = away / np.linalg.norm(away, axis=1, keepdims=True)
    correlation = standard @ standard.T
    if np.linalg.eigvalsh(correlation)[0] < _SINGULAR:
        return Interaction(effects, left_out, note="slices depend on each other entirely: no test can be given")
    z = apart / spread
    squared = float(z @ np.linalg.solve(correlation, z))
    degrees = (slices - 1, buckets - slices + 1)
    statistic = squared * degrees[1] / (degrees[0] * (buckets - 1))
    from scipy.special import fdtrc

    return Interaction(effects, left_out, statistic, degrees, float(fdtrc(*degrees, statistic)))


def _columns(sums: SliceSums) -> tuple[np.ndarray, ...]:
    return sums.y_control, sums.n_control, sums.y_candidate, sums.n_candidate


def _unfit(sums: SliceSums) -> str:
    """Why a slice cannot be compared; empty where it can."""
    for arm, y, n in (("control", sums.y_control, sums.n_control), ("candidate", sums.y_candidate, sums.n_candidate)):
        here = int(np.count_nonzero(n))
        if here < FEW_BUCKETS:
            return f"the {arm} is in {here} buckets of users, of {FEW_BUCKETS} needed"
        if not np.any(_deviations(y, n)):
            return f"users of the {arm} do not differ"
    return ""


def _deviations(y: np.ndarray, n: np.ndarray) -> list[int]:
    """Y·ΣN − N·ΣY of each bucket, in integers that do not overflow."""
    total, whole = sum(y.tolist()), sum(n.tolist())
    return [a * whole - b * total for a, b in zip(y.tolist(), n.tolist(), strict=True)]


def _effect(sums: SliceSums) -> float:
    before, after = (sum(y.tolist()) / sum(n.tolist()) for y, n in
                     ((sums.y_control, sums.n_control), (sums.y_candidate, sums.n_candidate)))  # fmt: skip
    return after - before


def _residuals(sums: SliceSums) -> np.ndarray:
    """e of each bucket."""
    arms = ((sums.y_candidate, sums.n_candidate), (sums.y_control, sums.n_control))
    after, before = (
        np.array([value / whole for value in _deviations(y, n)]) for y, n in arms for whole in (sum(n.tolist()) ** 2,)
    )
    return after - before
