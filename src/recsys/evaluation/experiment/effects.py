"""From sums of two arms to the effect on a ratio, with its interval of this look."""

from __future__ import annotations

from collections.abc import Sequence

from recsys.attribution.figures import DELTA, estimated
from recsys.contracts.decision import Effect
from recsys.contracts.estimate import Estimate
from recsys.evaluation.experiment.look import Look
from recsys.evaluation.experiment.measures import RatioMeasure
from recsys.statistics.aggregates import Aggregates
from recsys.statistics.comparison import Comparison, compare
from recsys.statistics.ratio import ratio

CLUSTERED = "users as units (delta method)"


def compared(measure: RatioMeasure, control: Aggregates, candidate: Aggregates) -> Comparison:
    """The two arms side by side."""
    before, after = (arm.moments(measure.y, measure.n) for arm in (control, candidate))
    return compare(before, after, scale=measure.scale)


def effect(comparison: Comparison, look: Look, corrections: Sequence[str] = ()) -> Effect:
    """Candidate − control with the interval of the look; without one, the note says why."""
    if comparison.difference is None:
        return Effect(value=None, note=comparison.note)
    relative = comparison.relative(0.0)
    if comparison.se is None or comparison.degrees is None:
        return Effect(value=comparison.difference, relative=relative.value, note=comparison.note)
    units = comparison.control.units + comparison.candidate.units
    reach = look.reach(units, comparison.degrees)
    ends, relative = comparison.interval(reach), comparison.relative(reach)
    assert ends is not None, "there is an error"  # noqa: S101 - asked above
    notes = (comparison.note, relative.note if relative.note != comparison.note else "")
    return Effect(
        value=comparison.difference, low=ends[0], high=ends[1], relative=relative.value, relative_low=relative.low,
        relative_high=relative.high, bounded=relative.bounded and relative.low is not None, se=comparison.se,
        level=look.level, method=look.method, corrections=[CLUSTERED, *corrections, *look.corrections],
        p=look.p(comparison.difference / comparison.se, units, comparison.degrees),
        note="; ".join(filter(None, notes)),
    )  # fmt: skip


def level(measure: RatioMeasure, sums: Aggregates) -> Estimate:
    """The level of one arm, with an interval of its own: for one look, and about this arm alone."""
    moments = sums.moments(measure.y, measure.n)
    found = ratio(moments, lowest=measure.lowest, highest=measure.highest, scale=measure.scale)
    return estimated(found, moments.n, moments.units, DELTA)
