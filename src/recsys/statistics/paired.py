"""Two runs on the same requests, or on the same users, compared by their sums over buckets of users.

The buckets are clusters: what the two runs do to one user is in one bucket of both, so what they have in common leaves
the difference. Of the ratios R = ΣY/ΣN of either run, with

    e_b = (Y_b − R·N_b)/ΣN of run B − the same of run A

for each bucket, the variance of R_B − R_A is B/(B−1) · Σ e_b² over the B buckets that are occupied in either run
(linearisation: Deng, Knoblich & Lu, KDD 2018, with buckets for users), and the interval is Student's t with B − 1
degrees of freedom. All is exact in integers until the last division, so runs with equal sums differ by exactly 0, with
the interval [0, 0].
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from operator import index

import numpy as np

FEW_BUCKETS = 30


@dataclass(frozen=True)
class Paired:
    """``a``, ``b``: the ratios; ``value``: b − a, None where a run has nothing to take a mean of. ``se`` is None where
    ``note`` says why, and 0 where the sums of the runs are equal. ``degrees``: occupied buckets less one."""

    a: float | None
    b: float | None
    value: float | None
    se: float | None = None
    degrees: int = 0
    note: str = ""

    def interval(self, reach: float) -> tuple[float, float] | None:
        """``reach`` standard errors to each side; None without one."""
        if self.value is None or self.se is None:
            return None
        return self.value - reach * self.se, self.value + reach * self.se


def paired_difference(y_a: np.ndarray, n_a: np.ndarray, y_b: np.ndarray, n_b: np.ndarray, *, scale: int = 1) -> Paired:
    """R of run B − R of run A, of whole-number sums by bucket; ``y`` is in units of 1/``scale``. ValueError where the
    arrays do not have the same buckets."""
    sums = [[index(value) for value in column] for column in (y_a, n_a, y_b, n_b)]
    if len({len(column) for column in sums}) != 1:
        raise ValueError(f"the runs must have the same buckets; found {', '.join(str(len(c)) for c in sums)}")
    rows = [row for row in zip(*sums, strict=True) if any(row)]
    whole_a, whole_b = sum(row[1] for row in rows), sum(row[3] for row in rows)
    if not (whole_a and whole_b):
        alone = [float(Fraction(sum(y), sum(n) * scale)) if sum(n) else None for y, n in (sums[:2], sums[2:])]
        return Paired(alone[0], alone[1], None, note="a run has nothing to take a mean of")
    ratio_a, ratio_b = Fraction(sum(row[0] for row in rows), whole_a), Fraction(sum(row[2] for row in rows), whole_b)
    value = float((ratio_b - ratio_a) / scale)
    common = Paired(float(ratio_a / scale), float(ratio_b / scale), value, degrees=len(rows) - 1)
    unit = ratio_a.denominator * ratio_b.denominator * whole_a * whole_b * scale
    squares = sum(residual * residual for residual in _residuals(rows, ratio_a, ratio_b))
    alike = all(row[:2] == row[2:] for row in rows)
    return _with_error(common, Fraction(squares, unit * unit), alike)


def coarsen(sums: np.ndarray, buckets: int) -> np.ndarray:
    """The sums of fewer buckets: bucket b goes to b mod ``buckets``, as the buckets of a hash nest. ValueError where
    the number does not divide that of the buckets."""
    if buckets < 1 or len(sums) % buckets:
        raise ValueError(f"{len(sums)} buckets do not nest in {buckets}")
    return sums.reshape(-1, buckets, *sums.shape[1:]).sum(axis=0)


def _residuals(rows: list[tuple[int, ...]], ratio_a: Fraction, ratio_b: Fraction) -> list[int]:
    """Each bucket's e, times both denominators and both sums of N: whole numbers."""
    whole_a, whole_b = sum(row[1] for row in rows), sum(row[3] for row in rows)
    up_a, down_a, up_b, down_b = *ratio_a.as_integer_ratio(), *ratio_b.as_integer_ratio()
    return [
        (y_b * down_b - up_b * n_b) * down_a * whole_a - (y_a * down_a - up_a * n_a) * down_b * whole_b
        for y_a, n_a, y_b, n_b in rows
    ]


def _with_error(found: Paired, squares: Fraction, alike: bool) -> Paired:
    """√(B/(B−1)) times the root of the sum of squares, and what there is to say of it."""
    buckets = found.degrees + 1
    if alike:
        return replace(found, se=0.0)
    if buckets < 2:
        return replace(found, note="one bucket of users: no interval can be given")
    if not squares:
        return replace(found, note="buckets do not differ: no interval can be given")
    note = f"only {buckets} occupied buckets: the interval is rough" if buckets < FEW_BUCKETS else ""
    return replace(found, se=math.sqrt(squares * Fraction(buckets, found.degrees)), note=note)
