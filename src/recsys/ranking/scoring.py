"""How candidates are scored: signals scaled to [0, 1], blended by weights, and ordered without a doubt."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsys.ranking.candidates import Mask, Positions
from recsys.ranking.interactions import Floats

STEPS = 1e12
"""Scores are multiples of 1/STEPS, so that the last bits of a sum never decide an order."""
NOT_RANKED = -1.0
_TINY = 1e-250
"""Dividing STEPS by less than this could overflow."""
_COLUMNS = 8
"""Columns for each item wanted, in which the greatest values are looked for first."""


class Weights(NamedTuple):
    """How much each signal counts, relative to the other; finite, 0 or more, not necessarily adding up to 1."""

    pop: float
    cooc: float


class Scores(NamedTuple):
    """``steps``: float64[items], whole multiples of 1/STEPS, -1 where an item may not be ranked; and the signals that
    took part.

    ``pop``, ``cooc``: float64[items]; None where the signal says nothing of any candidate or has no weight.
    """

    steps: Floats
    pop: Floats | None
    cooc: Floats | None


def blend(weights: Weights, pop: Floats | None, cooc: Floats | None, mask: Mask | None, size: int) -> Scores:
    """Score of the candidates, those of ``size`` items in ``mask`` (None: all): Σ w·x / Σ w over the signals, each x
    scaled by its greatest value.

    ``pop``, ``cooc``: float64[items], 0 or more, or None where the signal is not there. Scaling is by the greatest
    value over the candidates, so a signal spans [0, 1] whatever was filtered; a signal that is 0 for all of them
    adds nothing. The weights are those of the request, present or not, so a score is comparable between requests
    of the same weights. All weights 0: all scores 0.
    """
    largest = max(weights)
    share = Weights(*(weight / largest for weight in weights)) if largest > 0 else weights
    parts, used = [], []
    for part, signal in ((share.pop, pop), (share.cooc, cooc)):
        greatest = _greatest(signal, mask) if part > 0 and signal is not None else 0.0
        used.append(signal if greatest > 0 else None)
        if signal is not None and greatest > 0:
            most = STEPS * (part / sum(share))
            parts.append(signal * (most / greatest) if greatest > _TINY else signal / greatest * most)
    steps = np.zeros(size) if not parts else parts[0]
    for more in parts[1:]:
        steps += more
    np.rint(steps, out=steps)
    if mask is not None:
        np.copyto(steps, NOT_RANKED, where=~mask)
    return Scores(steps, *used)


def _greatest(signal: Floats, mask: Mask | None) -> float:
    """The greatest value of the candidates, 0 where there is none."""
    if len(signal) == 0:
        return 0.0
    best = signal.argmax()
    if mask is None or mask[best]:
        return float(signal[best])
    return float((signal * mask).max())


def top(steps: Floats, k: int) -> Positions:
    """Indices of the ``k`` greatest of ``steps`` (float64[m]), greatest first, the lower index first among equals.

    Exact also where equals straddle the cut, which a partial sort alone leaves to chance.
    """
    size, columns = len(steps), _COLUMNS * k
    if k == 0 or size <= 2 * columns:
        return np.argsort(-steps, kind="stable")[:k]
    # Each of the k greatest of the columns' maxima is one of the values, so the k greatest values are not below them.
    maxima = steps[: size - size % columns].reshape(-1, columns).max(axis=0)
    maxima.partition(columns - k)
    enough = np.flatnonzero(steps >= maxima[columns - k])
    return enough[np.argsort(-steps[enough], kind="stable")[:k]]
