"""The conductor of ``mode: experiment``: which experiment, which arms, which rule; gather, then conclude."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from recsys.attribution.policy import Policy
from recsys.attribution.trial import TrialOptions
from recsys.contracts.experiment import Candidate, ExperimentReport
from recsys.contracts.report import DataQuality, Input, Summary
from recsys.errors import UsageError, nearest
from recsys.evaluation.decision import exit_verdict, holds
from recsys.evaluation.experiment.conclude import Asked, Made, conclude
from recsys.evaluation.experiment.gather import gather
from recsys.evaluation.experiment.gathered import Gathered
from recsys.evaluation.experiment.rule import cut, rule
from recsys.evaluation.experiment.settings import ExperimentConfig
from recsys.text import printable

if TYPE_CHECKING:
    from recsys.attribution.join import Joined

USUAL_CONTROL = "control"


def gathered(
    joined: Joined, config: ExperimentConfig, quality: DataQuality, slices: Iterable[str], now: datetime, *,
    catalogue: bool, count_users: bool = False,
) -> Gathered | None:  # fmt: skip
    """All that the logs hold of the experiment; None where no valid assignment names one."""
    options = _options(config, quality, now)
    return gather(joined, config, options, quality, slices, catalogue=catalogue, count_users=count_users)


def _options(config: ExperimentConfig, quality: DataQuality, now: datetime) -> TrialOptions:
    return TrialOptions(scope=config.scope, arms=config.arms, as_of=cut(config, quality.exposures.last_ts, now))


def concluded(
    found: Gathered, config: ExperimentConfig, policy: Policy, inputs: Sequence[Input], now: datetime, *,
    part: bool = False,
) -> ExperimentReport:  # fmt: skip
    """What is said of it. UsageError for a variant that neither stands in the logs nor was declared; but ``part``:
    other users may have it."""
    arms = list(found.parts.sums)
    named = [config.control_variant, *(config.candidate_variants or [])]
    known = [*arms, *(name for name in named if part and name is not None)]
    control = _control(config, arms, known)
    candidates = _candidates(config, arms, control, known)
    options = _options(config, found.quality, now)
    asked = Asked(
        config=config,
        options=TrialOptions(
            scope=options.scope, arms=options.arms, as_of=options.as_of, control=control if control in arms else None
        ),
        policy=policy,
        control=control,
        candidates=candidates,
        rule=rule(config, len(candidates), found.quality.exposures.last_ts, now),
    )
    return conclude(found, asked, Made(at=now, inputs_sha256=inputs_sha256(inputs)))


def _control(config: ExperimentConfig, arms: Sequence[str], named: Sequence[str]) -> str:
    """The one that is named, else the arm of that name, else the first in order: never by chance. That it was not named
    is a question of integrity."""
    if config.control_variant is not None:
        return _known(config.control_variant, config, named, "control_variant")
    known = list(config.arms or arms) or [USUAL_CONTROL]
    return USUAL_CONTROL if USUAL_CONTROL in known else min(known)


def _candidates(config: ExperimentConfig, arms: Sequence[str], control: str, named: Sequence[str]) -> list[str]:
    if config.candidate_variants is not None:
        return [_known(name, config, named, "candidate_variant") for name in config.candidate_variants]
    return [name for name in sorted(config.srm.expected or arms) if name != control]


def _known(name: str, config: ExperimentConfig, arms: Sequence[str], where: str) -> str:
    """An arm that was declared and is absent holds; one that nobody knows is misspelt."""
    if name in arms or name in (config.srm.expected or {}):
        return name
    hint = printable(nearest(name, list(arms))) if arms else "The experiment has no units."
    raise UsageError("no such variant in the experiment", where=where, found=printable(name), hint=hint)


def inputs_sha256(inputs: Sequence[Input]) -> str:
    """One hash of what was read, whatever the order, the names and the number of the files."""
    parts = sorted(f"{part.role} {part.sha256}\n" for part in inputs)
    return hashlib.sha256("".join(parts).encode()).hexdigest()


def summary(report: ExperimentReport | None, config: ExperimentConfig, why_none: str = "") -> Summary:
    """The verdict on the run: of several candidates the gravest."""
    if report is None:
        return Summary(status="hold", reasons=[why_none], headline="There is no experiment to decide on.")
    candidates = report.candidates
    if not candidates:
        arms = ", ".join(printable(arm.variant) for arm in report.trial.arms) or "none"
        return Summary(
            status="hold", reasons=[f"there is no arm to compare: {arms}"], headline=_units(report)
        )  # fmt: skip
    decisions = [candidate.decision for candidate in candidates]
    sound = all(holds(check) for decision in decisions for check in decision.integrity)
    status = exit_verdict(decisions) if config.decide or not sound else "pass"
    return Summary(
        status=status,
        reasons=[reason for candidate in candidates for reason in _reasons(candidate, several=len(candidates) > 1)],
        headline=f"{_units(report)}; {'; '.join(_told(candidate) for candidate in candidates)}.",
    )


def _units(report: ExperimentReport) -> str:
    trial = report.trial
    return f"{printable(trial.experiment_id)}: {trial.units:,} users, {trial.exposures.counts:,} exposures"


def _told(candidate: Candidate) -> str:
    decision = candidate.decision
    return f"{printable(decision.candidate)} against {printable(decision.control)}: {decision.decision}"


def _reasons(candidate: Candidate, *, several: bool) -> list[str]:
    decision = candidate.decision
    name = f"{printable(decision.candidate)} ({decision.decision}): " if several else ""
    return [f"{name}{reason}" for reason in decision.reasons]
