"""What the measures of an experiment are, in the words of the reference: those that are no metric of an offline run."""

from __future__ import annotations

from recsys.evaluation.experiment.measures import (
    CLICKS,
    CONVERSIONS,
    EMPTY,
    ERRORS,
    EXPOSURES,
    RATIOS,
    REVENUE,
    RatioMeasure,
)

LATENCY = "latency_pNN"
NAMES = (*RATIOS, LATENCY)
MEANT = {
    CLICKS: "attributed clicks",
    CONVERSIONS: "attributed conversions",
    EXPOSURES: "exposures that count",
    ERRORS: "exposures that say error: true",
    EMPTY: "exposures without items",
}
VALUE = "value of attributed conversions"
CAPPED = " A user counts with\nat most revenue_cap, else the 99th percentile of those that are not 0."
OF_LATENCY = """\
The latency that NN per cent of the lists stay under, such as latency_p95 or latency_p99.9.

Formula: the NN/100 quantile of latency_ms over the exposures that have one, from a histogram with steps of 1.09 %.
Grain: one figure per arm. Range: ≥ 0. Unit: ms. Better: lower.
Empty: null where no exposure that counts has latency_ms.
Interval: Poisson bootstrap over buckets of users, seeded."""


def explain(name: str) -> str:
    """The definition of a measure of ``NAMES``, in the form of those of the metrics."""
    return OF_LATENCY if name == LATENCY else _ratio(RATIOS[name])


def _ratio(measure: RatioMeasure) -> str:
    top = MEANT.get(measure.y, VALUE)
    below = "assigned users" if measure.n is None else MEANT[EXPOSURES]
    lines = [
        f"{measure.words[:1].upper()}{measure.words[1:]}.",
        "",
        f"Formula: ({top}) / ({below}), over all users of an arm.{CAPPED if measure.y == REVENUE else ''}",
        f"Grain: one figure per arm. Range: {_range(measure)}. Unit: {_unit(measure)}. Better: {measure.better}.",
        f"Empty: null over no {'users' if measure.n is None else 'exposures'}.",
        "Interval: delta method with users as units (Deng et al., KDD 2018); relative, Fieller's.",
    ]
    return "\n".join(lines)


def _range(measure: RatioMeasure) -> str:
    if measure.highest == 1:
        return "0–1"
    return "any" if measure.lowest < 0 else "≥ 0"


def _unit(measure: RatioMeasure) -> str:
    if measure.highest == 1:
        return "share"
    of = "user" if measure.n is None else "exposure"
    what = "the unit of value" if measure.y == REVENUE else measure.y
    return f"{what} per {of}"
