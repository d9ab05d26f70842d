"""The conductor of a comparison: the same logs under several attribution policies, and a verdict. It calls, and does
not compute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from recsys import __version__
from recsys.attribution import quality, redeciding, sources, trial
from recsys.attribution.figures import BOUNDED
from recsys.attribution.join import Joined
from recsys.attribution.opening import DEFAULT_ENGINE, EngineChoice, joined_logs
from recsys.attribution.policy import Policy
from recsys.attribution.trial import TrialOptions
from recsys.contracts.comparison import ArmDifference, Comparison, PolicyResult
from recsys.contracts.report import DataQuality
from recsys.contracts.trial import Trial
from recsys.evaluation import compare_figures, compare_verdict, integrity
from recsys.eventlog.faults import Fault
from recsys.eventlog.validation import Progress


class Compared(Struct, frozen=True):
    """The comparison, and the first faults of the logs, which are for the eyes of the person who runs it."""

    comparison: Comparison
    faults: list[Fault]


def compare(
    dataset: sources.Dataset,
    policies: Mapping[str, Policy],
    trials: TrialOptions = trial.EACH,
    *,
    engine: EngineChoice = DEFAULT_ENGINE,
    on_progress: Progress | None = None,
) -> Compared:
    """Join once, and decide under each of ``policies`` (by name, the first is the one that others are compared with).

    A policy with a fallback has what it infers in its figures, and says so. ``trials``: which experiments are looked
    at, and how.
    """
    first = next(iter(policies.values()))
    results: list[PolicyResult] = []
    with joined_logs(dataset, first, slice_keys=(), engine=engine, on_progress=on_progress) as joined:
        found = quality.data_quality(joined)
        for name, policy in policies.items():
            results.append(
                _result(redeciding.under(joined, policy) if results else joined, name, found, trials, not results)
            )
        accepted = joined.dataset
    differing = compare_verdict.disagreements(results)
    return Compared(
        Comparison(
            version=__version__,
            inputs=accepted.inputs,
            exposures=found.exposures,
            policies=results,
            status="hold" if any(result.status == "hold" for result in results) else "pass",
            agree=not differing,
            verdict=compare_verdict.verdict(results, differing),
            disagreements=differing,
            method=compare_verdict.METHOD,
        ),
        accepted.faults,
    )


def _result(joined: Joined, name: str, logs: DataQuality, options: TrialOptions, is_first: bool) -> PolicyResult:
    """What the policy of ``joined`` makes of the logs, whose quality was looked at under another policy."""
    inferred = joined.policy.fallback is not None
    found = quality.under_policy(joined, logs)
    if inferred:
        redeciding.with_inferred(joined)
    figures = compare_figures.figures(joined, inferred=inferred)
    if is_first:
        compare_figures.keep_as_reference(joined)
    changes = {} if is_first else compare_figures.changes(joined)
    trials = [] if joined.dataset.assignments is None else trial.trials(joined, options)
    reasons = [
        *integrity.reasons_to_hold(found, joined.policy),
        *(f"{each.experiment_id}: {reason}" for each in trials for reason in each.reasons),
    ]
    return PolicyResult(
        name=name,
        policy=joined.policy.effective(),
        inferred=inferred,
        status="hold" if reasons else "pass",
        reasons=reasons,
        fates=found.fates,
        rates=found.rates,
        inferred_outcomes=found.inferred_outcomes,
        figures=figures,
        changes=changes,
        effects=_effects(trials),
    )


def _effects(trials: Sequence[Trial]) -> list[ArmDifference]:
    return [
        ArmDifference(
            experiment_id=each.experiment_id, metric=effect.metric, label=effect.label, estimate=effect.estimate
        )
        for each in trials
        for effect in each.effects
        if effect.metric in BOUNDED
    ]
