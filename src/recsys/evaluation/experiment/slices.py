"""Effects within slices, by key, and whether they differ; and by day: which says where to look, and never decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recsys.contracts.experiment import DayEffect, Interaction, SliceEffect
from recsys.evaluation.experiment import effects
from recsys.evaluation.experiment.look import Look
from recsys.evaluation.experiment.measured import Pair
from recsys.evaluation.experiment.measures import Measure, RatioMeasure
from recsys.evaluation.experiment.reduce import UNITS
from recsys.statistics.aggregates import Aggregates
from recsys.statistics.interaction import SliceSums, interaction
from recsys.text import printable

EXPOSED = "users who were shown something there"


def of_slices(pair: Pair, wanted: Sequence[Measure], look: Look) -> list[SliceEffect]:
    """Of each ratio in each value of each key in which both arms have enough users, in the order of the keys."""
    return [
        _effect(key, value, measure, pair, look)
        for key, value in pair.sums.slices
        if large(pair, key, value)
        for measure in _ratios(wanted)
    ]


def by_day(pair: Pair, wanted: Sequence[Measure], look: Look) -> list[DayEffect]:
    """The same by day, of one metric after the other. Days are no family of tests: they are looked at as a line."""
    return [
        DayEffect(day=day, metric=str(measure), **_compared(arms, measure, pair, look))
        for measure in _ratios(wanted)
        for day, arms in pair.sums.days.items()
        if _large(arms, pair)
    ]


def large(pair: Pair, key: str, value: str) -> bool:
    """Whether both arms have the least number of users there."""
    return _large(pair.sums.slices[key, value], pair)


def _large(arms: Mapping[str, Aggregates], pair: Pair) -> bool:
    return all(name in arms and arms[name].units >= pair.config.min_slice_users for name in pair.names)


def _ratios(wanted: Sequence[Measure]) -> list[RatioMeasure]:
    return [measure for measure in wanted if isinstance(measure, RatioMeasure)]


def _effect(key: str, value: str, measure: RatioMeasure, pair: Pair, look: Look) -> SliceEffect:
    found = _compared(pair.sums.slices[key, value], measure, pair, look)
    return SliceEffect(key=key, value=value, metric=str(measure), **found)


def _compared(arms: Mapping[str, Aggregates], measure: RatioMeasure, pair: Pair, look: Look) -> dict[str, Any]:
    """Levels and effect, by the names of fields."""
    control, candidate = (arms[name] for name in pair.names)
    corrections = [EXPOSED] if measure.n is None else []
    return {
        "control": effects.level(measure, control),
        "candidate": effects.level(measure, candidate),
        "effect": effects.effect(effects.compared(measure, control, candidate), look, corrections),
    }


def interactions(pair: Pair, wanted: Sequence[Measure]) -> list[Interaction]:
    """For each key and ratio: do the effects in its values differ?"""
    keys = dict.fromkeys(key for key, _ in pair.sums.slices)
    return [_interaction(key, measure, pair) for key in keys for measure in _ratios(wanted)]


def _interaction(key: str, measure: RatioMeasure, pair: Pair) -> Interaction:
    values = [value for own, value in pair.sums.slices if own == key and large(pair, key, value)]
    if len(values) < 2:
        return Interaction(
            key=key, metric=str(measure), slices=len(values),
            note=f"fewer than two values with {pair.config.min_slice_users:,} users in each arm",
        )  # fmt: skip
    if key in pair.sums.withheld:
        return Interaction(key=key, metric=str(measure), slices=len(values), note=pair.sums.withheld[key])
    found = interaction({value: _sums(key, value, measure, pair) for value in values}, scale=measure.scale)
    left_out = "; ".join(f"{printable(value)} is left out: {reason}" for value, reason in found.left_out.items())
    return Interaction(
        key=key, metric=str(measure), slices=len(found.effects), statistic=found.statistic, p=found.p,
        note="; ".join(filter(None, (found.note, left_out))),
    )  # fmt: skip


def _sums(key: str, value: str, measure: RatioMeasure, pair: Pair) -> SliceSums:
    """ΣY and ΣN of both arms by bucket of users."""
    control, candidate = (pair.sums.slice_buckets[key, value][name] for name in pair.names)
    below = UNITS if measure.n is None else measure.n
    return SliceSums(control[measure.y], control[below], candidate[measure.y], candidate[below])
