"""The difference between the ratios of two independent arms, candidate − control, with an interval of one level: what
``comparison`` says, for those who look once."""

from __future__ import annotations

from dataclasses import dataclass

from recsys.statistics.comparison import compare
from recsys.statistics.moments import SCALE, Moments
from recsys.statistics.ratio import LEVEL, t_quantile


@dataclass(frozen=True)
class Difference:
    """``value`` is None where an arm has nothing to take a mean of; ``se``, ``low`` and ``high`` are None where
    ``note`` says why."""

    value: float | None
    se: float | None = None
    low: float | None = None
    high: float | None = None
    note: str = ""


def difference(control: Moments, candidate: Moments, *, level: float = LEVEL, scale: int = SCALE) -> Difference:
    """R of the candidate − R of the control. ``y`` of both moments is in units of 1/``scale``."""
    found = compare(control, candidate, scale=scale)
    interval = found.interval(t_quantile(found.degrees, level)) if found.degrees else None
    if interval is None:
        return Difference(found.difference, note=found.note)
    return Difference(found.difference, found.se, *interval, note=found.note)
