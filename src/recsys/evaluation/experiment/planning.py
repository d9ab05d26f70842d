"""The sample for the declared effect, and what the present one can find, by the variance that this log has."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from recsys.contracts.decision import Needed
from recsys.evaluation.experiment import adjustment, effects
from recsys.evaluation.experiment.look import Look
from recsys.evaluation.experiment.measured import Pair
from recsys.evaluation.experiment.measures import Measure, RatioMeasure
from recsys.statistics.comparison import Comparison
from recsys.statistics.power import minimum_effect, units_needed


def needed(primary: Sequence[Measure], pair: Pair, look: Look) -> list[Needed]:
    """Of each primary metric that is a ratio, under the intervals of this look."""
    return [_needed(measure, pair, look) for measure in primary if isinstance(measure, RatioMeasure)]


def _needed(measure: RatioMeasure, pair: Pair, look: Look) -> Needed:
    found = _compared(measure, pair)
    settings, units = pair.config.power, pair.units
    told = Needed(
        metric=str(measure), effect=settings.effect, power=settings.power, units=None, have=sum(units.values()),
        minimum_effect=None,
    )  # fmt: skip
    level = found.control.value
    variances = found.control.variance_per_unit, found.candidate.variance_per_unit
    if level is None or level <= 0 or variances[0] is None or variances[1] is None or not sum(filter(None, variances)):
        return _with(told, None, None, f"nothing varies in {measure} yet, so nothing can be planned")
    spread = variances[0], variances[1]
    planned = look.planned if look.sequence else None
    least = minimum_effect(
        *spread, units[pair.control], units[pair.candidate], power=settings.power, level=look.level, planned=planned
    )  # fmt: skip
    relative = None if least is None else least / level
    if settings.effect is None:
        return _with(told, None, relative, "")
    share = units[pair.candidate] / told.have
    count = units_needed(
        settings.effect * level, *spread, share_candidate=share, power=settings.power, level=look.level, planned=planned
    )  # fmt: skip
    return _with(told, count, relative, "" if count is not None else "no number of units would suffice")


def _compared(measure: RatioMeasure, pair: Pair) -> Comparison:
    """As it decides: adjusted where it is."""
    control, candidate = pair.arms()
    plain = effects.compared(measure, control[1], candidate[1])
    if not pair.config.cuped.enabled or plain.se is None:
        return plain
    return adjustment.adjusted(measure, pair.config.cuped, control, candidate)[0].adjusted


def _with(told: Needed, units: int | None, minimum: float | None, note: str) -> Needed:
    return replace(told, units=units, minimum_effect=minimum, note=note)
