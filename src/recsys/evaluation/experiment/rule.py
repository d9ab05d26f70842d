"""When is decided, and how wide an interval must be for that: before, at and without a horizon; of one or more arms.

Without a horizon every look may decide, so intervals are those of a sequence. With one, only harm may be acted on
before it, by the sequence; from it on one interval is made, of the data as they stood at the horizon. Candidates share
the error of the experiment, and where any one primary metric suffices, so do these.
"""

from __future__ import annotations

from datetime import datetime

from recsys.contracts.decision import Rule
from recsys.evaluation.experiment.look import Look
from recsys.evaluation.experiment.settings import ExperimentConfig


def cut(config: ExperimentConfig, last: datetime | None, now: datetime) -> datetime | None:
    """Until when the data are looked at: ``as_of`` where it is given, and never beyond a horizon that has passed.

    ``last``: of the log. What claims to be of the future does not bring the horizon nearer.
    """
    horizon = config.sequential.horizon
    until = _until(config, last, now)
    return horizon if horizon is not None and until is not None and until >= horizon else config.as_of


def _until(config: ExperimentConfig, last: datetime | None, now: datetime) -> datetime | None:
    if config.as_of is not None:
        return min(config.as_of, now)
    return None if last is None else min(last, now)


def rule(config: ExperimentConfig, candidates: int, last: datetime | None, now: datetime) -> Rule:
    """The rule of this look at the data of so many candidates."""
    horizon, until = config.sequential.horizon, _until(config, last, now)
    over = horizon is not None and until is not None and until >= horizon
    sequence = config.sequential.enabled and not over
    chances = max(candidates, 1) * (len(config.primary_metrics) if config.primary_rule == "any" else 1)
    return Rule(
        sequence=sequence, may_ship=horizon is None or over, primary=config.primary_rule, alpha=config.alpha,
        alpha_each=config.alpha / chances, candidates=candidates, decides=config.decide,
        planned_units=config.sequential.planned_units if sequence else None, horizon=horizon,
        data_until=horizon if over else until, told=_told(sequence=sequence, horizon=horizon, over=over),
    )  # fmt: skip


def _told(*, sequence: bool, horizon: datetime | None, over: bool) -> str:
    if over and horizon is not None:
        return f"the horizon, {horizon:%Y-%m-%d %H:%M} UTC, has passed: one interval decides, of the data until then"
    if horizon is not None:
        return (
            f"until the horizon, {horizon:%Y-%m-%d %H:%M} UTC, nothing ships; harm may be undone at any look, by "
            "intervals that hold at all of them"
        )
    if sequence:
        return "there is no horizon: intervals hold at all looks, so each look may decide"
    return "sequential is off: this is taken for the one look that there will be"


def looks(config: ExperimentConfig, found: Rule) -> tuple[Look, Look, Look]:
    """How intervals are made of primary metrics, of guardrails, and of all that does not decide."""
    planned = config.sequential.planned_units
    shared = (f"error divided by {found.candidates} candidates",) if found.candidates > 1 else ()
    any_one = (
        (f"and by {len(config.primary_metrics)} primary metrics, of which any suffices",)
        if found.primary == "any" and len(config.primary_metrics) > 1
        else ()
    )
    each = found.alpha / max(found.candidates, 1)
    return (
        Look(found.sequence, found.alpha_each, planned, (*shared, *any_one)),
        Look(found.sequence, each, planned, shared),
        Look(found.sequence, found.alpha, planned),
    )
