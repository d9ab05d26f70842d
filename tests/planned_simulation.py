"""Experiments as large as the planner says, with the effect that it was asked for: how often do they find it?

The variances that the planner is given are those of the populations, and so is the effect. Users come in 14 parts. Each
look is decided by the real rule, look and decision, of settings that are the default but for the primary metric.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from datetime import UTC, datetime

import numpy as np

from decision_evidence import evidence
from experiment_simulation import LOOKS
from finished_simulation import FIXED, PLACE, cap_of, populations
from recsys.contracts.decision import Verdict
from recsys.evaluation.decision import decide, status
from recsys.evaluation.experiment import measures
from recsys.evaluation.experiment.guarded import guarded
from recsys.evaluation.experiment.measured import Pair, measured
from recsys.evaluation.experiment.reduce import Sums
from recsys.evaluation.experiment.rule import looks, rule
from recsys.evaluation.experiment.settings import ExperimentConfig
from recsys.statistics.aggregates import Aggregates
from recsys.statistics.comparison import Comparison, compare
from recsys.statistics.moments import Moments
from recsys.statistics.power import units_needed

NOW = datetime(2026, 1, 20, tzinfo=UTC)
POWER = 0.8
CENTS = measures.MICRO // 100


@dataclass(frozen=True)
class Planned:
    """The metric, its columns in a population, and the relative effect that is there and that is planned for."""

    metric: str
    y: str
    n: str
    lift: float

    @property
    def measure(self) -> measures.RatioMeasure:
        """Of the product."""
        return measures.RATIOS[self.metric]


PLANS = (
    Planned("ctr", "clicks", "n", 0.1),
    Planned("conversions_per_user", "bought", "units", 0.3),
    Planned("revenue_per_user", "capped", "units", 0.3),
)


def sums_of(control: Aggregates, candidate: Aggregates) -> Sums:
    """Of an experiment of which nothing but the arms is known."""
    nothing = {each.name: {} for each in fields(Sums) if each.default is each.default_factory is MISSING}
    return Sums(**{**nothing, "arms": {"A": control, "B": candidate}, "cap": None, "occupied": frozenset()})


def verdict(measure: measures.RatioMeasure, control: Aggregates, candidate: Aggregates) -> Verdict:
    """Of one look, by the default settings with this one primary metric, in an experiment in which nothing else is
    wrong: integrity holds, and guardrails pass."""
    config = ExperimentConfig(primary_metrics=[str(measure)], guardrails=[])
    sums = sums_of(control, candidate)
    found = rule(config, 1, NOW, NOW)
    told = measured(measure, Pair("A", "B", sums, config), looks(config, found)[0])
    return decide(evidence(metrics=[told], guardrails=[], **_fields(found))).decision


def status_of_empty(control: Aggregates, candidate: Aggregates) -> str:
    """Of one look, of the default guardrail on empty lists."""
    config = ExperimentConfig()
    sums = sums_of(control, candidate)
    [limit] = [each for each in config.guardrails if each.metric == "empty_rate"]
    found = guarded(limit, Pair("A", "B", sums, config), looks(config, rule(config, 1, NOW, NOW))[1])
    return status(found)


def _fields(found) -> dict:
    return {name: getattr(found, name) for name in found.__struct_fields__}


def of_moments(measure: measures.RatioMeasure, moments: Moments, nonzero: int, scale: int = 1) -> Aggregates:
    """What the sums of an arm hold of the measure; ``y`` is in units of ``scale`` of the measure's own. All units were
    shown something."""
    below = {} if measure.n is None else {measure.n: moments.n}
    squares = {} if measure.n is None else {(measure.n, measure.n): moments.nn}
    mixed = {} if measure.n is None else {(min(measure.y, measure.n), max(measure.y, measure.n)): moments.yn * scale}
    return Aggregates(
        moments.units, {measure.y: moments.y * scale, **below},
        {(measure.y, measure.y): moments.yy * scale**2, **squares, **mixed},
        {measure.y: nonzero, measures.EXPOSURES: moments.units},
    )  # fmt: skip


def moments_of(y: np.ndarray, n: np.ndarray) -> Moments:
    """Of each user's numbers, whole and so small that floats hold all sums exactly."""
    yy, yn, nn = (int(np.einsum("u,u->", one, other)) for one, other in ((y, y), (y, n), (n, n)))
    return Moments(len(y), int(y.sum()), int(n.sum()), yy, yn, nn)


@dataclass(frozen=True)
class World:
    """Both populations, [users × (y, n)], and what they truly are."""

    plan: Planned
    control: np.ndarray
    candidate: np.ndarray

    @property
    def true(self) -> Comparison:
        """Of all people, at the cap of all."""
        arms = _cut(self.plan, self.control[:, 0], self.candidate[:, 0])
        below = self.control[:, 1], self.candidate[:, 1]
        first, second = (moments_of(y, n) for y, n in zip(arms, below, strict=True))
        return compare(first, second, scale=1)

    def units(self, planned: int | None) -> int:
        """What the planner says."""
        true = self.true
        assert true.difference is not None
        variances = true.control.variance_per_unit, true.candidate.variance_per_unit
        assert variances[0] is not None
        assert variances[1] is not None
        found = units_needed(true.difference, *variances, power=POWER, planned=planned)
        assert found is not None
        return found


def world(plan: Planned) -> World:
    """Seeded by nothing but the plan."""
    rng = np.random.default_rng([PLANS.index(plan), 3])
    columns = [PLACE["revenue" if plan.y == "capped" else plan.y], PLACE[plan.n]]
    control, candidate = populations(rng, 1.2, plan.lift)
    if plan.metric == "conversions_per_user":
        candidate[:, columns[0]] = rng.random(len(candidate)) < control[:, columns[0]].mean() * (1 + plan.lift)
    return World(plan, np.ascontiguousarray(control[:, columns]), np.ascontiguousarray(candidate[:, columns]))


def _cut(plan: Planned, *values: np.ndarray) -> list[np.ndarray]:
    if plan.y != "capped":
        return list(values)
    cap = cap_of(*values)
    return [np.minimum(each, cap) for each in values]


def _users(rng, here: World, units: int) -> tuple[np.ndarray, np.ndarray]:
    """Users of both arms, in the order in which they come."""
    candidates = int(rng.binomial(units, 0.5))
    sizes = (here.control, units - candidates), (here.candidate, candidates)
    control, candidate = (people[rng.integers(len(people), size=size)] for people, size in sizes)
    return control, candidate


def verdicts(rng, here: World, units: int) -> Verdict:
    """Of an experiment with so many units: that of the first look that does not hold, or of the last."""
    arms, measure = _users(rng, here, units), here.plan.measure
    scale = CENTS if measure.y == measures.REVENUE else 1
    said: Verdict = "hold"
    for look in range(1, LOOKS + 1):
        seen = [arm[: len(arm) * look // LOOKS] for arm in arms]
        values = _cut(here.plan, *(arm[:, 0] for arm in seen))
        sums = [
            of_moments(measure, moments_of(y, arm[:, 1]), int(np.count_nonzero(y)), scale)
            for y, arm in zip(values, seen, strict=True)
        ]
        said = verdict(measure, *sums)
        if said != "hold":
            break
    return said


def found_at_the_end(rng, here: World, units: int) -> bool:
    """Whether the one interval of a fixed horizon is above 0."""
    arms = _users(rng, here, units)
    values = _cut(here.plan, *(arm[:, 0] for arm in arms))
    first, second = (moments_of(y, arm[:, 1]) for y, arm in zip(values, arms, strict=True))
    found = compare(first, second, scale=1)
    assert found.degrees is not None
    ends = found.interval(FIXED.reach(units, found.degrees))
    assert ends is not None
    return ends[0] > 0
