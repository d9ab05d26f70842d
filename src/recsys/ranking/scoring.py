"""How candidates are scored: signals scaled to [0, 1], blended by weights, and ordered without a doubt."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from recsys.ranking.candidates import Positions
from recsys.ranking.interactions import Floats

STEPS = 1e12
"""Scores are multiples of 1/STEPS, so that the last bits of a sum never decide an order."""


_FEW = 16
"""Below this many values for each one wanted, a partial sort of all is as fast as anything."""


class Weights(NamedTuple):
    """How much each signal counts, relative to the other; finite, 0 or more, not necessarily adding up to 1."""

    pop: float
    cooc: float


class Scores(NamedTuple):
    """For m candidates: ``steps`` float64[m], whole multiples of 1/STEPS; and which signals took part, and how.

    ``pop``, ``cooc``: float64[m], the signal at each candidate; None where it says nothing of any candidate or has
    no weight.
    """

    steps: Floats
    pop: Floats | None
    cooc: Floats | None


def blend(weights: Weights, pop: Floats | None, cooc: Floats | None, positions: Positions) -> Scores:
    """Score of the candidates at ``positions``: Σ w·x / Σ w over the signals, each x scaled by its greatest value.

    ``pop``, ``cooc``: float64[items], 0 or more, or None where the signal is not there. Scaling is by the greatest
    value over the candidates, so a signal spans [0, 1] whatever was filtered; a signal that is 0 for all of them
    adds nothing. The weights are those of the request, present or not, so a score is comparable between requests
    of the same weights. All weights 0: all scores 0.
    """
    pop = _at(pop, positions) if weights.pop > 0 else None
    cooc = _at(cooc, positions) if weights.cooc > 0 else None
    greatest = max(weights)
    share = Weights(*(weight / greatest for weight in weights)) if greatest > 0 else weights
    total = sum(share)
    score = np.zeros(len(positions))
    for weight, signal in ((share.pop, pop), (share.cooc, cooc)):
        if signal is not None:
            score += signal / signal.max() * (weight / total)
    score *= STEPS
    return Scores(np.rint(score, out=score), pop, cooc)


def _at(signal: Floats | None, positions: Positions) -> Floats | None:
    if signal is None or len(positions) == 0:
        return None
    found = signal if len(positions) == len(signal) else signal[positions]
    return found if found.max() > 0 else None


def top(steps: Floats, k: int) -> Positions:
    """Indices of the ``k`` greatest of ``steps`` (float64[m]), greatest first, the lower index first among equals.

    Exact also where equals straddle the cut, which a partial sort alone leaves to chance.
    """
    size = len(steps)
    if k >= size:
        return np.argsort(-steps, kind="stable")
    if size < _FEW * k:
        return _top_of_few(steps, k)
    # Each of the k greatest of the columns' maxima is one of the values, so the k greatest values are not below them.
    columns = _FEW * k // 2
    maxima = steps[: size - size % columns].reshape(-1, columns).max(axis=0)
    bound = np.partition(maxima, columns - k)[columns - k]
    enough = np.flatnonzero(steps >= bound)
    return enough[_top_of_few(steps[enough], k)]


def _top_of_few(steps: Floats, k: int) -> Positions:
    """``top`` by a partial sort of all of ``steps``."""
    size = len(steps)
    least = np.partition(steps, size - k)[size - k] if k < size else steps.min()
    above = np.flatnonzero(steps > least)
    equal = np.flatnonzero(steps == least)[: k - len(above)]
    return np.concatenate((above[np.argsort(-steps[above], kind="stable")], equal))
