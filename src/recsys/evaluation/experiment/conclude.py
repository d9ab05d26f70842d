"""From what was gathered of an experiment to what is said of it. It reads no log, so moments can stand in for one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from recsys import __version__
from recsys.attribution import trial
from recsys.attribution.policy import Policy
from recsys.attribution.trial import TrialOptions
from recsys.contracts.decision import Check, Decision, Rule
from recsys.contracts.experiment import Candidate, Corrections, ExperimentReport, Interaction, SliceEffect, Source
from recsys.contracts.experiment import RunningSampleRatio as RunningTold
from recsys.contracts.trial import Trial
from recsys.evaluation.decision import decide
from recsys.evaluation.experiment import integrity, measures, planning, ripeness, slices
from recsys.evaluation.experiment.gathered import ALWAYS, Gathered
from recsys.evaluation.experiment.guarded import guarded
from recsys.evaluation.experiment.look import Look
from recsys.evaluation.experiment.measured import Pair, measured
from recsys.evaluation.experiment.rule import looks
from recsys.evaluation.experiment.settings import ExperimentConfig
from recsys.statistics.multiplicity import adjust
from recsys.statistics.srm_drilldown import rank_sources
from recsys.statistics.srm_sequential import ALARM, RunningSampleRatio, running_sample_ratio

MAX_SOURCES = 20


class Made(Struct, frozen=True, kw_only=True):
    """When, and from what, a conclusion was drawn."""

    at: datetime
    inputs_sha256: str


class Asked(Struct, frozen=True, kw_only=True):
    """How the experiment is looked at: its settings, the arms, and the rule of this look."""

    config: ExperimentConfig
    options: TrialOptions
    policy: Policy
    control: str
    candidates: list[str]
    rule: Rule


def conclude(gathered: Gathered, asked: Asked, made: Made) -> ExperimentReport:
    """Every candidate against the control, with its decision and all that stands beside it."""
    found = trial.described(gathered.parts, asked.options, asked.policy)
    told = replace(found, reasons=[])  # its reasons are of one look without a rule; the checks are those of this one
    running = running_sample_ratio({arm.variant: arm.units for arm in found.arms}, asked.config.arms)
    candidates = [_candidate(gathered, asked, made, found, running, name) for name in asked.candidates]
    return ExperimentReport(
        trial=told,
        candidates=candidates,
        running_sample_ratio=RunningTold(
            log_e=running.log_e, limit=ALARM, alarm=running.alarm, note=running.note
        ),
        sources=_sources(gathered, running),
        maturity=ripeness.told(gathered.maturity, asked.policy),
        families=_families(candidates, asked),
        shards=list(gathered.shards),
    )  # fmt: skip


def _candidate(
    gathered: Gathered, asked: Asked, made: Made, found: Trial, running: RunningSampleRatio, name: str
) -> Candidate:
    pair = Pair(asked.control, name, gathered.sums, asked.config, gathered.impressions, gathered.errors_known)
    deciding, guarding, describing = looks(asked.config, asked.rule)
    primary, secondary = (
        [measures.parse(each, "experiment") for each in names]
        for names in (asked.config.primary_metrics, asked.config.secondary_metrics)
    )
    deciding_metrics = [measured(each, pair, deciding) for each in primary]
    evidence = Decision(
        decision="hold",
        reasons=[],
        experiment_id=found.experiment_id,
        control=asked.control,
        candidate=name,
        created_at=made.at,
        version=__version__,
        inputs_sha256=made.inputs_sha256,
        rule=asked.rule,
        integrity=[
            *_checks(gathered, asked, found, running, name),
            *(check for each in deciding_metrics for check in integrity.balance_check(each)),
        ],
        metrics=deciding_metrics,
        guardrails=[guarded(rule, pair, guarding) for rule in asked.config.guardrails],
        needed=planning.needed(primary, pair, deciding),
    )
    return _described(decide(evidence), pair, primary, secondary, describing)


def _described(
    decision: Decision,
    pair: Pair,
    primary: Sequence[measures.Measure],
    secondary: Sequence[measures.Measure],
    look: Look,
) -> Candidate:
    """The decision with what does not decide, corrected for its number."""
    method = pair.config.method
    others = [measured(each, pair, look) for each in secondary]
    found = adjust({each.metric: each.effect.p for each in others}, method)
    return Candidate(
        decision=decision,
        exposures_per_user=measured(measures.RATIOS[ALWAYS], pair, look),
        secondary=[replace(each, adjusted_p=found[each.metric]) for each in others],
        slices=_adjusted_slices(slices.of_slices(pair, primary, look), method),
        interactions=_adjusted_interactions(slices.interactions(pair, primary), method),
        days=slices.by_day(pair, primary, look),
    )


def _adjusted_slices(found: list[SliceEffect], method: str) -> list[SliceEffect]:
    family = adjust({str(place): each.effect.p for place, each in enumerate(found)}, method)
    return [replace(each, adjusted_p=family[str(place)]) for place, each in enumerate(found)]


def _adjusted_interactions(found: list[Interaction], method: str) -> list[Interaction]:
    family = adjust({str(place): each.p for place, each in enumerate(found)}, method)
    return [replace(each, adjusted_p=family[str(place)]) for place, each in enumerate(found)]


def _checks(gathered: Gathered, asked: Asked, found: Trial, running: RunningSampleRatio, candidate: str) -> list[Check]:
    srm = asked.config.srm
    ratio = None
    if srm.enabled:
        ratio = integrity.running_check(running) if asked.rule.sequence else _final(found, srm.alpha)
    arms = integrity.Arms(
        control=asked.control, candidate=candidate, control_named=asked.config.control_variant is not None,
        declared=asked.config.arms is not None,
    )  # fmt: skip
    return integrity.checks(
        gathered.quality, asked.policy, found, arms, min_valid_rate=asked.config.min_valid_rate,
        matched=gathered.matched, shown=gathered.shown, missing=gathered.parts.missing, sample_ratio=ratio,
    )  # fmt: skip


def _final(found: Trial, alpha: float) -> Check:
    return integrity.final_check(found.sample_ratio, alpha)


def _sources(gathered: Gathered, running: RunningSampleRatio) -> list[Source]:
    """Where units by arm are furthest from what they should be; only where they are off as a whole."""
    if not running.mismatch or len(running.expected) < 2:
        return []
    ranked = rank_sources(gathered.origins, running.expected)
    return [
        Source(
            key=each.key, value=each.value, observed=each.observed, expected=each.expected, share=each.fall, p=each.p
        )
        for each in ranked[:MAX_SOURCES]
    ]  # fmt: skip


def _families(candidates: Sequence[Candidate], asked: Asked) -> list[Corrections]:
    """What was looked at together, and how many questions that were."""
    found = []
    for candidate in candidates:
        parts = {
            "secondary metrics": [each.effect.p for each in candidate.secondary],
            "slices of primary metrics": [each.effect.p for each in candidate.slices],
            "interactions": [each.p for each in candidate.interactions],
        }
        for family, p_values in parts.items():
            tests = sum(p is not None for p in p_values)
            name = f"{family} of {candidate.decision.candidate}" if len(candidates) > 1 else family
            found.append(Corrections(family=name, method=asked.config.method, tests=tests, alpha=asked.config.alpha))
    return found
