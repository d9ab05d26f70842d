"""What must not get worse, as evidence: the harm with its interval against a margin, or the level against a limit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from recsys.contracts.decision import Effect, Guardrail, Measured
from recsys.evaluation.experiment import effects, measures, quantiles
from recsys.evaluation.experiment.guardrails import GuardrailRule
from recsys.evaluation.experiment.look import Look
from recsys.evaluation.experiment.measured import Pair, measured
from recsys.evaluation.experiment.measures import EMPTY, ERRORS, Measure, QuantileMeasure, RatioMeasure
from recsys.statistics.bootstrap import quantile_level
from recsys.statistics.comparison import compare
from recsys.statistics.proportion import difference_of_proportions, proportion
from recsys.text import printable

RARE = (ERRORS, EMPTY)
"""Columns of shares that may have few cases or none: their bounds are exact ones."""
EXACT = "exact bounds of a share, users as units (Korn & Graubard; MOVER)"
FEW_UNITS = 100
"""Units of an arm under which nothing is said of it."""
MAX_WITHOUT_ERROR = 0.01
MAX_UNTIMED = 0.05
"""Shares of an arm's lists beyond which those that do not say whether they failed, or how long they took, could hide
what the guardrail is for. (Of a list that failed the time is often not known.)"""


def guarded(rule: GuardrailRule, pair: Pair, look: Look) -> Guardrail:
    """The evidence of one guardrail; its status is left to the decision."""
    measure = measures.parse(rule.metric, "guardrails")
    found = measured(measure, pair, look)
    rail = Guardrail(
        metric=rule.metric, words=found.words, better=found.better, margin=rule.margin, relative=rule.relative,
        limit=rule.limit, control=found.control, candidate=found.candidate, cases=_cases(measure, pair),
        level=look.level, note=found.effect.note,
    )  # fmt: skip
    silent = _silent(measure, pair)
    if silent:
        return replace(rail, cases=None, note=silent)
    if isinstance(measure, RatioMeasure) and measure.y not in RARE and found.too_few:
        return replace(rail, note=found.too_few)
    return (
        _against_limit(rail, measure, pair, look) if rule.limit is not None else _harm(rail, measure, found, pair, look)
    )


def _silent(measure: Measure, pair: Pair) -> str:
    """Why nothing can be said at all: a log that holds no such figure passes no guardrail."""
    shown = {name: sums.total(measures.EXPOSURES) for name, sums in pair.arms()}
    few = [name for name, sums in pair.arms() if sums.nonzero.get(measures.EXPOSURES, 0) < FEW_UNITS]
    if few:
        return f"fewer than {FEW_UNITS} users of {_names(few)} were shown anything"
    if isinstance(measure, RatioMeasure) and measure.y == ERRORS:
        silent = {name: n - pair.errors_known.get(name, 0) for name, n in shown.items()}
        return _told_silent(silent, shown, MAX_WITHOUT_ERROR, "whether they were an error: log error, also where false")
    if isinstance(measure, QuantileMeasure):
        if pair.sums.latency_withheld:
            return pair.sums.latency_withheld
        timed = {name: found.histogram.total for name in pair.names if (found := pair.sums.latency.get(name))}
        silent = {name: n - timed.get(name, 0) for name, n in shown.items()}
        return _told_silent(silent, shown, MAX_UNTIMED, "how long they took: log latency_ms")
    return ""


def _told_silent(silent: Mapping[str, int], shown: Mapping[str, int], limit: float, what: str) -> str:
    """Lists that do not say so may be just those that are slow, or failed."""
    over = [name for name, n in silent.items() if n > limit * shown[name]]
    if not over:
        return ""
    counts = " and ".join(f"{silent[name]:,} of {shown[name]:,} lists of {printable(name)}" for name in over)
    return f"{counts} do not say {what}"


def _names(names: Iterable[str]) -> str:
    return " and ".join(map(printable, names))


def _cases(measure: Measure, pair: Pair) -> int | None:
    """How many there were in the candidate, of what is counted."""
    if not isinstance(measure, RatioMeasure) or measure.scale != 1:
        return None
    return pair.arms()[1][1].total(measure.y)


def _harm(rail: Guardrail, measure: Measure, found: Measured, pair: Pair, look: Look) -> Guardrail:
    """How much worse the candidate is; + is worse."""
    if isinstance(measure, RatioMeasure) and measure.y in RARE and not rail.relative:
        return _of_share(rail, measure, pair, look)
    effect: Effect = found.effect
    value, low, high = (
        (effect.relative, effect.relative_low, effect.relative_high)
        if rail.relative
        else (effect.value, effect.low, effect.high)
    )
    if value is None or low is None or high is None or (rail.relative and not effect.bounded):
        return replace(rail, note=effect.note or "no interval can be given")
    sign = 1 if rail.better == "lower" else -1
    ends = sorted((sign * low, sign * high))
    return replace(
        rail, value=sign * value, low=ends[0], high=ends[1], method=effect.method, corrections=effect.corrections
    )  # fmt: skip


def _of_share(rail: Guardrail, measure: RatioMeasure, pair: Pair, look: Look) -> Guardrail:
    (_, first), (_, second) = pair.arms()
    before, after = (sums.moments(measure.y, measure.n) for sums in (first, second))
    degrees = compare(before, after, scale=1).degrees or min(first.units, second.units) - 1
    reach = look.reach(first.units + second.units, degrees)
    found = difference_of_proportions(before, after, reach)
    return replace(
        rail, value=found.value, low=found.low, high=found.high, method=look.method,
        corrections=[EXACT, *look.corrections], note=found.note,
    )  # fmt: skip


def _against_limit(rail: Guardrail, measure: Measure, pair: Pair, look: Look) -> Guardrail:
    """The candidate's own level with the interval of the look."""
    name, sums = pair.arms()[1]
    if isinstance(measure, RatioMeasure) and measure.y in RARE:
        reach = look.reach(sums.units, sums.units - 1)
        found = proportion(sums.moments(measure.y, measure.n), reach)
        return replace(
            rail, value=found.value, low=found.low, high=found.high, method=look.method,
            corrections=[EXACT, *look.corrections], note=found.note,
        )  # fmt: skip
    if isinstance(measure, QuantileMeasure):
        settings = pair.config.bootstrap
        seen = pair.sums.latency[name].histogram
        found = quantile_level(seen, measure.quantile, seed=settings.seed, count=settings.replicates)
        reach = look.reach(sums.units, found.degrees)
        return _around(rail, found.value, found.se, reach, look, quantiles.CLUSTERED, found.note, log=True)
    if isinstance(measure, RatioMeasure):
        own = compare(sums.moments(measure.y, measure.n), sums.moments(measure.y, measure.n), scale=measure.scale)
        variance = own.candidate.variance
        se = None if not variance else variance**0.5
        reach = look.reach(sums.units, sums.units - 1)
        return _around(rail, own.candidate.value, se, reach, look, effects.CLUSTERED)
    return replace(rail, note="a limit is not available for this metric: give a margin")


def _around(
    rail: Guardrail, value: float | None, se: float | None, reach: float, look: Look, units: str, note: str = "", *,
    log: bool = False,
) -> Guardrail:  # fmt: skip
    """The level with an interval; ``units``: what its error is over; ``log``: symmetric in its logarithm, for what
    cannot fall below 0."""
    if value is None or se is None:
        return replace(rail, value=value, note=note or "no interval can be given")
    half = reach * se
    if log and (value <= 0 or half > quantiles.MOST_LOGS * value):
        return replace(rail, value=value, note="the interval has no bounds")
    low, high = (
        (value / math.exp(half / value), value * math.exp(half / value)) if log else (value - half, value + half)
    )
    return replace(
        rail, value=value, low=low, high=high, method=look.method, corrections=[units, *look.corrections]
    )  # fmt: skip
