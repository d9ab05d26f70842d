"""One metric of two arms as it is reported: levels, the effect with its interval, and what stands beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from recsys.contracts.decision import Cap as CapTold
from recsys.contracts.decision import Effect, Measured
from recsys.contracts.estimate import Estimate
from recsys.evaluation.experiment import adjustment, effects, quantiles, spreads
from recsys.evaluation.experiment.cap import Cap
from recsys.evaluation.experiment.impressions import Impressions
from recsys.evaluation.experiment.look import Look
from recsys.evaluation.experiment.measures import (
    EXPOSURES,
    MICRO,
    REVENUE,
    UNCAPPED,
    Measure,
    QuantileMeasure,
    RatioMeasure,
)
from recsys.evaluation.experiment.reduce import Sums
from recsys.evaluation.experiment.settings import ExperimentConfig
from recsys.statistics.aggregates import Aggregates
from recsys.statistics.comparison import Comparison
from recsys.statistics.sequential import enough
from recsys.text import printable

NOTHING = Aggregates()


@dataclass(frozen=True)
class Pair:
    """Two arms of an experiment, by name, with all sums, and how it is configured."""

    control: str
    candidate: str
    sums: Sums
    config: ExperimentConfig
    impressions: Impressions | None = None
    errors_known: Mapping[str, int] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, str]:
        """Control first."""
        return self.control, self.candidate

    @property
    def units(self) -> dict[str, int]:
        """By arm."""
        return {name: self.sums.arms[name].units if name in self.sums.arms else 0 for name in self.names}

    def arms(self) -> tuple[tuple[str, Aggregates], tuple[str, Aggregates]]:
        """Name and sums; of an arm without units nothing but zeros."""
        empty = _nothing_like(self.sums)
        control, candidate = ((name, self.sums.arms.get(name, empty)) for name in self.names)
        return control, candidate


def _nothing_like(sums: Sums) -> Aggregates:
    some = next(iter(sums.arms.values()), NOTHING)
    return Aggregates(0, dict.fromkeys(some.totals, 0), dict.fromkeys(some.products, 0), dict.fromkeys(some.nonzero, 0))


def measured(measure: Measure, pair: Pair, look: Look) -> Measured:
    """The metric with everything that a decision needs to know of it."""
    if isinstance(measure, RatioMeasure):
        return _of_ratio(measure, pair, look)
    found = _of_quantile(measure, pair, look) if isinstance(measure, QuantileMeasure) else spreads.measured(
        measure, pair.impressions, pair.names, pair.units, look, pair.config.bootstrap.seed
    )  # fmt: skip
    return _guarded(found, measure, pair, EXPOSURES)


def _of_ratio(measure: RatioMeasure, pair: Pair, look: Look) -> Measured:
    (_, first), (_, second) = pair.arms()
    capped = measure.y == REVENUE and pair.sums.cap is not None
    corrections = [_capped_words(pair.sums.cap)] if capped and pair.sums.cap else []
    plain = effects.compared(measure, first, second)
    found = Measured(
        metric=str(measure), words=measure.words, better=measure.better, control=effects.level(measure, first),
        candidate=effects.level(measure, second), effect=effects.effect(plain, look, corrections),
        cap=_cap(pair.sums.cap) if capped else None,
        uncapped=_uncapped(measure, first, second, look) if capped else None,
    )  # fmt: skip
    if pair.config.cuped.enabled:
        found = _adjusted(found, measure, pair, look, corrections, plain)
    return _guarded(found, measure, pair, measure.y)


def _adjusted(
    found: Measured, measure: RatioMeasure, pair: Pair, look: Look, corrections: list[str], plain: Comparison
) -> Measured:
    """The adjusted effect decides; the unadjusted one stands beside it."""
    if plain.se is None:
        return found
    done, told = adjustment.adjusted(measure, pair.config.cuped, *pair.arms())
    words = [*corrections, f"CUPED on {told.covariate}"] if told.used else corrections
    return replace(
        found, effect=effects.effect(done.adjusted, look, words), unadjusted=found.effect, cuped=told
    )  # fmt: skip


def _guarded(found: Measured, measure: Measure, pair: Pair, column: str) -> Measured:
    """With its threshold, and whether there are enough units with a value for a decision."""
    nonzero = {name: sums.nonzero.get(column, 0) for name, sums in pair.arms()}
    threshold = pair.config.thresholds.get(str(measure))
    return replace(
        found, nonzero=nonzero, too_few=enough(_printable(nonzero), _printable(pair.units)),
        threshold=threshold.value if threshold else 0.0, relative_threshold=bool(threshold and threshold.relative),
    )  # fmt: skip


def _printable(counts: Mapping[str, int]) -> dict[str, int]:
    """By names that can be told."""
    return {printable(name): count for name, count in counts.items()}


def _of_quantile(measure: QuantileMeasure, pair: Pair, look: Look) -> Measured:
    before, after = (pair.sums.latency.get(name) for name in pair.names)
    if before is None or after is None:
        why = pair.sums.latency_withheld or quantiles.SILENT
        nothing = Estimate(value=None, n=0, units=0, note=why)
        return Measured(
            metric=str(measure), words=measure.words, better=measure.better, control=nothing, candidate=nothing,
            effect=Effect(value=None, note=why),
        )  # fmt: skip
    found = quantiles.differing(measure, before.histogram, after.histogram, pair.config.bootstrap)
    units = pair.units
    control, candidate = (
        quantiles.level(value, arm.histogram, units[name], arm.missing)
        for value, arm, name in ((found.control, before, pair.control), (found.candidate, after, pair.candidate))
    )
    return Measured(
        metric=str(measure), words=measure.words, better=measure.better, control=control, candidate=candidate,
        effect=quantiles.effect(found, sum(units.values()), look),
    )  # fmt: skip


def _cap(found: Cap | None) -> CapTold | None:
    if found is None:
        return None
    return CapTold(
        value=found.micros / MICRO, declared=found.quantile is None, quantile=found.quantile, units=found.cut
    )  # fmt: skip


def _capped_words(found: Cap | None) -> str:
    if found is None:
        return ""
    what = "declared" if found.quantile is None else f"the {found.quantile * 100:g}th percentile of those not 0"
    return f"revenue of a user capped at {found.micros / MICRO:g} ({what}; {found.cut:,} users cut)"


def _uncapped(measure: RatioMeasure, control: Aggregates, candidate: Aggregates, look: Look) -> Effect:
    whole = RatioMeasure(measure.name, UNCAPPED, measure.n, measure.words, measure.better, scale=measure.scale)
    return effects.effect(effects.compared(whole, control, candidate), look)
