"""Can the figures of an experiment be believed? Each question is a figure against a limit; one that fails is a hold."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from msgspec import Struct

from recsys.attribution import served_arms
from recsys.attribution.policy import Policy
from recsys.attribution.trial_doubts import MAX_SERVED_OTHERWISE, MAX_TWO_ARM_SHARE, Missing
from recsys.contracts.decision import Check, Measured
from recsys.contracts.report import DataQuality, Rate
from recsys.contracts.trial import Arm, SampleRatio, Trial
from recsys.evaluation.experiment.match_rates import MatchRates
from recsys.statistics.comparison import compare
from recsys.statistics.moments import Moments
from recsys.statistics.srm_sequential import ALARM, RunningSampleRatio
from recsys.text import printable

MATCH_ALPHA = 0.001
"""Arms whose match rates differ with a smaller p lose outcomes in different ways."""


class Arms(Struct, frozen=True, kw_only=True):
    """Which arms are compared, and whether somebody said so."""

    control: str
    candidate: str
    control_named: bool
    declared: bool


def checks(
    quality: DataQuality, policy: Policy, trial: Trial, arms: Arms, *, min_valid_rate: float, matched: MatchRates,
    shown: Mapping[str, Moments], missing: Sequence[Missing], sample_ratio: Check | None,
) -> list[Check]:  # fmt: skip
    """The questions in the order in which they are asked. ``shown``: by arm, assigned requests that have an exposure
    over all of them; empty where that is not asked, as is a ``sample_ratio`` of None."""
    return [
        _rate("valid rate", quality.rates.valid, min_valid_rate, "of the outcome rows obey the contract"),
        _rate("match rate", quality.rates.match, policy.min_match_rate, "of the outcomes found their exposure"),
        *_losses(quality, policy),
        *_missing(policy, missing),
        *_as_assigned(trial),
        *_of_arms(trial, arms),
        *(check for name in (arms.control, arms.candidate) for check in _of_arm(trial, name)),
        *_exposed_requests(arms, shown, policy.max_lost_rate),
        _matched_alike(arms, matched, policy.max_lost_rate),
        *([] if sample_ratio is None else [sample_ratio]),
    ]


def _rate(name: str, rate: Rate, limit: float, what: str) -> Check:
    if rate.value is None:
        told = f"the {name} is not known: there is no outcome"
    else:
        told = f"{rate.value:.2%} {what} ({rate.numerator:,} of {rate.denominator:,}); at least {limit:.2%} must"
    return Check(name=name, value=rate.value, sense="at least", limit=limit, told=told)


def _losses(quality: DataQuality, policy: Policy) -> list[Check]:
    fates = quality.fates
    logs = (
        ("lists shown", quality.lost_exposures, quality.exposures.distinct),
        ("outcomes", quality.lost_outcomes, fates.rows - fates.invalid - fates.duplicate),
    )
    return [
        _share(f"{what} in no log", lost, lost + logged, policy.max_lost_rate, f"{what} are in no log")
        for what, lost, logged in logs
    ]


def _missing(policy: Policy, missing: Sequence[Missing]) -> list[Check]:
    return [
        _share(
            f"{each.what} that are missing", each.unread + each.lost, each.unread + each.lost + each.read,
            policy.max_lost_rate, f"{each.what} cannot be read or are in no log",
        )
        for each in missing
    ]  # fmt: skip


def _as_assigned(trial: Trial) -> list[Check]:
    """Units that stayed in their arm, and lists that are of it; the latter are not asked where no list says so."""
    what = "units were assigned to two arms"
    found = [_share("units in two arms", trial.in_two_arms, trial.units, MAX_TWO_ARM_SHARE, what)]
    wrong, named = served_arms.counts(trial.served)
    what = "lists name another variant than was assigned"
    return [*found, *([_share("lists of another arm", wrong, named, MAX_SERVED_OTHERWISE, what)] if named else [])]


def _of_arm(trial: Trial, name: str) -> list[Check]:
    """The same of an arm of less than half of the usual size for itself: it would not show in the whole."""
    told, found = printable(name), []
    for arm in trial.arms:
        if arm.variant == name and 2 * len(trial.arms) * arm.units < trial.units:
            what = f"units of {told} were assigned to two arms"
            found.append(_share(f"units of {told} in two arms", arm.in_two_arms, arm.units, MAX_TWO_ARM_SHARE, what))
            wrong, named = served_arms.counts([each for each in trial.served or [] if each.assigned == name])
            what = f"lists of {told} name another variant than was assigned"
            if named:
                found.append(_share(f"lists of {told} and another arm", wrong, named, MAX_SERVED_OTHERWISE, what))
    return found


def _exposed_requests(arms: Arms, shown: Mapping[str, Moments], limit: float) -> list[Check]:
    """Lists that are missing are most often those that nobody answered, so a rate over the others is too high."""
    if not shown:
        return []
    before, after = (shown.get(name, Moments()) for name in (arms.control, arms.candidate))
    lacking = [
        _share(
            f"requests of {printable(name)} without an exposure", found.n - found.y, found.n, limit,
            f"requests that were assigned to {printable(name)} have no exposure",
        )
        for name, found in ((arms.control, before), (arms.candidate, after))
    ]  # fmt: skip
    return [
        *lacking,
        _alike("arms are shown alike", arms, before, after, "assigned requests have an exposure", "lists"),
    ]


def _share(name: str, part: int, whole: int, limit: float, what: str) -> Check:
    value = part / whole if whole else 0.0
    told = f"{part:,} of {whole:,} {what}, which is {value:.2%}; at most {limit:.2%} may be"
    return Check(name=name, value=value, sense="at most", limit=limit, told=told)


def _of_arms(trial: Trial, arms: Arms) -> list[Check]:
    """Who is compared with whom is said beforehand, and both are there."""
    named = {arm.variant: arm for arm in trial.arms}
    ratio = trial.sample_ratio
    return [
        _said("control named", arms.control_named, "which arm is the control was not said: give control_variant"),
        _said(
            "arms declared", arms.declared,
            "arms not declared: give srm.expected with their weights, or control_variant and candidate_variant",
        ),
        _none("absent arms", ratio.absent, "declared, and no unit is in it"),
        _none("unexpected arms", _unexpected(ratio, arms), "not declared, and units are in it"),
        *(_exposed(name, named.get(name)) for name in (arms.control, arms.candidate)),
    ]  # fmt: skip


def _said(name: str, said: bool, told: str) -> Check:
    return Check(name=name, value=float(said), sense="at least", limit=1, told="it was said" if said else told)


def _unexpected(ratio: SampleRatio, arms: Arms) -> list[str]:
    return ratio.unexpected if arms.declared else []


def _none(name: str, found: Sequence[str], what: str) -> Check:
    told = "; ".join(f"arm {printable(arm)} is {what}" for arm in found) or f"there are no {name}"
    return Check(name=name, value=float(len(found)), sense="at most", limit=0, told=told)


def _exposed(name: str, arm: Arm | None) -> Check:
    exposures = 0 if arm is None else arm.exposures
    told = f"arm {printable(name)} has {exposures:,} exposures that count"
    return Check(name=f"exposures of {printable(name)}", value=float(exposures), sense="at least", limit=1, told=told)


def _matched_alike(arms: Arms, matched: MatchRates, limit: float) -> Check:
    """Arms that lose outcomes in different ways differ in every figure, whatever people did. Of outcomes that matched
    nothing and name no arm nobody knows whose they are."""
    before, after = (matched.arms.get(arm, Moments()) for arm in (arms.control, arms.candidate))
    check = _alike("arms match alike", arms, before, after, "outcomes found their exposure", "outcomes")
    whole = matched.unknown + sum(found.n for found in matched.arms.values())
    if matched.unknown <= limit * whole:
        return check
    told = (
        f"{matched.unknown:,} of {whole:,} outcomes found no exposure and name no arm, which is "
        f"{matched.unknown / whole:.2%}, over {limit:.2%}: whether the arms lose them alike cannot be told. Let "
        "outcomes carry experiment_id and experiment_variant in their context"
    )
    return Check(name=check.name, value=None, sense=check.sense, limit=check.limit, told=told)


def _alike(name: str, arms: Arms, before: Moments, after: Moments, what: str, lost: str) -> Check:
    """Whether a share is the same in both arms, users as units."""
    found = compare(before, after, scale=1)
    # Where no unit differs from any other there is no error, and where the rates are equal none is needed
    p = 1.0 if found.difference == 0 else found.p
    if found.difference is None:
        told = f"{name}: not known, for an arm has no {lost}"
    else:
        rates = " and ".join(
            f"{level.value:.2%} of {printable(arm)}'s"
            for arm, level in ((arms.control, found.control), (arms.candidate, found.candidate))
        )
        told = f"{rates} {what}"
        told += (
            " (no p can be given)"
            if p is None
            else f" (p = {p:.2g}; under {MATCH_ALPHA:g} the arms lose them differently)"
        )
    return Check(name=name, value=p, sense="at least", limit=MATCH_ALPHA, told=told)


def balance_check(measured: Measured) -> list[Check]:
    """A covariate of the time before cannot depend on the arm: where it does, units were not assigned by chance, or it
    is not of before. Not asked where nothing was adjusted."""
    cuped = measured.cuped
    if cuped is None or not cuped.used:
        return []
    p = 1.0 if cuped.balance == 0 else cuped.balance_p
    told = f"the covariate of {measured.metric} ({cuped.covariate}) "
    told += "cannot be compared between the arms" if p is None else f"is the same in both arms with p = {p:.2g}"
    return [
        Check(name=f"covariate of {measured.metric} balanced", value=p, sense="at least", limit=MATCH_ALPHA, told=told)
    ]


def running_check(found: RunningSampleRatio) -> Check:
    """The sample ratio while the experiment runs: evidence that may be looked at as often as one likes."""
    told = f"units by arm: {_counts(found.observed)} in place of {_counts(found.expected)}; "
    told += (
        found.note
        or f"the evidence against the declared shares is {_odds(found.log_e)} to 1, the alarm at {ALARM:,.0f} to 1"
    )
    return Check(name="sample ratio", value=found.log_e, sense="below", limit=math.log(ALARM), told=told)


def final_check(found: SampleRatio, alpha: float) -> Check:
    """The sample ratio at the horizon: one test. Where there is nothing to compare, other checks say so."""
    p = 1.0 if found.p is None else found.p
    told = f"units by arm: {_counts(found.observed)} in place of {_counts(found.expected)}; "
    told += found.note if found.p is None else f"p = {found.p:.2g}, at least {alpha:g} wanted"
    return Check(name="sample ratio", value=p, sense="at least", limit=alpha, told=told)


def _counts(units: Mapping[str, float]) -> str:
    return ", ".join(f"{printable(arm)} {count:,.0f}" for arm, count in units.items()) or "none"


def _odds(log_e: float) -> str:
    return f"{math.exp(log_e):,.3g}" if log_e < 30 else f"10^{log_e / math.log(10):.0f}"
