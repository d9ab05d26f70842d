"""The conductor of experiments: for each, who counts, the figures by arm, their differences and bounds. It calls, and
does not compute."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from recsys.attribution import experiment, figures, quality, served_arms, trial_doubts
from recsys.attribution.experiment import MICRO, SCALES, ArmSums, Asked, Scope, Standing, UnjoinedOutcomes, Unread
from recsys.attribution.policy import Policy
from recsys.attribution.trial_doubts import Missing
from recsys.contracts.trial import (
    Arm,
    AssignmentCounts,
    Effect,
    ExposureCounts,
    Independence,
    LogFigure,
    SampleRatio,
    Served,
    Trial,
    Unjoined,
)
from recsys.errors import UsageError, nearest
from recsys.statistics import srm
from recsys.statistics.independence import independence
from recsys.text import printable

if TYPE_CHECKING:
    from recsys.attribution.join import Joined
    from recsys.attribution.sources import AcceptedDataset

Crossed = Mapping[tuple[str, str], Mapping[tuple[str, str], int]]
"""Two experiments → an arm of each → units that are in both."""


class TrialOptions(Struct, frozen=True, kw_only=True):
    """``experiment_id``: None is each one of the log. ``control``: None is the first arm in order. ``as_of``: nothing
    later is looked at, nor lists whose window was still open then. ``arms``: the arms that there should be, with their
    weights; None is those that were seen, with equal ones."""

    experiment_id: str | None = None
    control: str | None = None
    scope: Scope = "request"
    as_of: datetime | None = None
    arms: dict[str, float] | None = None


EACH = TrialOptions()
SHOWN_NAMES = 10


def trials(joined: Joined, options: TrialOptions = EACH) -> list[Trial]:
    """What the log holds of each experiment that is asked for; none where no assignment names one.

    UsageError for an experiment or a control that the log does not have.
    """
    experiment.prepare(joined, options.as_of)
    known = experiment.names(joined)
    wanted = known if options.experiment_id is None else [options.experiment_id]
    for name in wanted:
        _check_known(name, known)
    crossed = _crossed(joined)
    return [described(_parts(joined, name, options, crossed), options, joined.policy) for name in wanted]


def _check_known(name: str, known: list[str]) -> None:
    if name not in known:
        hint = printable(nearest(name, known)) if known else "The assignment log names no experiment."
        raise UsageError("no such experiment", where="--experiment-id", found=name, hint=hint)


def log_figures(joined: Joined) -> list[LogFigure]:
    """The figures of the log as a whole, with their bounds; none of an empty log."""
    experiment.settle_log(joined)
    sums = experiment.arms(joined).get("")
    if sums is None:
        return []
    unjoined = experiment.unjoined(joined, _unread(joined))
    return [figures.log_figure(metric, sums, unjoined) for metric in figures.BOUNDED]


def _unread(joined: Joined) -> Unread:
    return Unread(invalid=joined.dataset.outcomes.invalid, lost=quality.lost(joined.dataset, "outcomes"))


class TrialParts(Struct, frozen=True, kw_only=True):
    """What the logs hold of one experiment, in counts and sums that add over disjoint sets of users. ``crossed``: of
    each other experiment the units that are in an arm of both."""

    experiment_id: str
    sums: dict[str, ArmSums]
    standings: list[Standing]
    unjoined: UnjoinedOutcomes
    assignments: AssignmentCounts
    crossed: dict[str, dict[tuple[str, str], int]]
    missing: list[Missing]
    served: list[Served] | None = None


def gathered(joined: Joined, name: str | None = None, options: TrialOptions = EACH) -> TrialParts | None:
    """The parts of one experiment: of that name, else of the only one of the log; None where no assignment names one.
    Its relations stay in the engine, for what else is to be asked of them.

    UsageError where the log does not have the experiment, or has several and none is named.
    """
    experiment.prepare(joined, options.as_of)
    known = experiment.names(joined)
    if not known:
        return None
    if name is not None:
        _check_known(name, known)
    elif len(known) > 1:
        found = ", ".join(map(printable, known[:SHOWN_NAMES]))
        raise UsageError("the log holds several experiments", found=found, hint="Give experiment_id.")
    return _parts(joined, name or known[0], options, _crossed(joined))


def _parts(joined: Joined, name: str, options: TrialOptions, crossed: Crossed) -> TrialParts:
    experiment.settle(joined, Asked(experiment_id=name, scope=options.scope, as_of=options.as_of))
    return TrialParts(
        experiment_id=name,
        sums=experiment.arms(joined),
        standings=experiment.standings(joined),
        unjoined=experiment.unjoined(joined, _unread(joined)),
        assignments=_assignments(joined),
        crossed=_with_others(name, crossed),
        missing=_missing(joined.dataset),
        served=served_arms.served(joined),
    )


def described(parts: TrialParts, options: TrialOptions, policy: Policy) -> Trial:
    """The experiment as it is reported. UsageError for a control that it does not have."""
    sums, unjoined, assignments = parts.sums, parts.unjoined, parts.assignments
    control = _control(parts.experiment_id, sums, options.control)
    ratio = srm.sample_ratio({arm: part.units for arm, part in sums.items()}, options.arms)
    units, in_two_arms = (sum(getattr(part, word) for part in sums.values()) for word in ("units", "in_two_arms"))
    pairs = _pairs(parts.crossed)
    return Trial(
        experiment_id=parts.experiment_id,
        scope=options.scope,
        as_of=options.as_of,
        window_s=experiment.observed_s(policy) if options.as_of is not None else 0.0,
        control=control,
        control_named=options.control is not None,
        units=units,
        in_two_arms=in_two_arms,
        assignments=assignments,
        exposures=_exposures(parts.standings),
        arms=[_arm(arm, part, parts.standings) for arm, part in sums.items()],
        effects=_effects(sums, control, unjoined),
        unjoined=Unjoined(
            orphan=unjoined.orphan,
            ambiguous=unjoined.ambiguous,
            invalid=unjoined.unread.invalid,
            lost=unjoined.unread.lost,
        ),
        sample_ratio=_sample_ratio(ratio),
        served=parts.served,
        independence=pairs,
        reasons=trial_doubts.reasons(
            assignments, units, in_two_arms, ratio, parts.missing, policy.max_lost_rate, parts.served
        ),
        notes=trial_doubts.notes(
            assignments, ratio, pairs, policy=policy, as_of=options.as_of, missing=parts.missing, served=parts.served
        ),
    )  # fmt: skip


def _missing(dataset: AcceptedDataset) -> list[Missing]:
    """What an experiment knows nothing of, and no bounds hold: lists and assignments."""
    logs = {"lists shown": ("exposures", dataset.exposures), "assignments": ("assignments", dataset.assignments)}
    return [
        Missing(what=what, unread=log.invalid, lost=quality.lost(dataset, role), read=log.rows - log.invalid)
        for what, (role, log) in logs.items()
        if log is not None
    ]


def _control(name: str, sums: Mapping[str, ArmSums], named: str | None) -> str | None:
    if named is None:
        return min(sums, default=None)
    if named not in sums:
        hint = printable(nearest(named, list(sums))) if sums else "It has no units."
        raise UsageError(f"no such arm in experiment {printable(name)}", where="--control", found=named, hint=hint)
    return named


def _assignments(joined: Joined) -> AssignmentCounts:
    ((rows, repeated, anonymous, requests, without_exposure, several),) = joined.rows("experiment_assignments")
    return AssignmentCounts(
        rows=int(rows),
        repeated=int(repeated),
        anonymous=anonymous,
        requests=requests,
        without_exposure=without_exposure,
        units_with_several=several,
    )


def _exposures(standings: list[Standing]) -> ExposureCounts:
    counts: dict[str, int] = defaultdict(int)
    for part in standings:
        counts[part.standing] += part.n
    return ExposureCounts(**counts)


def _arm(name: str, sums: ArmSums, standings: list[Standing]) -> Arm:
    counting = [part for part in standings if part.variant == name and part.standing == "counts"]
    return Arm(
        variant=name,
        units=sums.units,
        in_two_arms=sums.in_two_arms,
        exposed=sums.exposed,
        exposures=sums.exposures,
        empty=sum(part.empty for part in counting),
        error=sum(part.error for part in counting),
        clicks=sums.clicks,
        conversions=sums.conversions,
        value=sums.value_micros / MICRO,
        no_value=sums.no_value,
        odd_value=sums.odd_value,
        estimates=figures.estimates(sums),
    )


def _effects(sums: Mapping[str, ArmSums], control: str | None, unjoined: UnjoinedOutcomes) -> list[Effect]:
    """Every other arm against the control, in order of the arms' names."""
    if control is None:
        return []
    return [
        figures.effect(metric, (control, sums[control]), (arm, sums[arm]), unjoined)
        for arm in sums
        if arm != control
        for metric in SCALES
    ]


def _sample_ratio(found: srm.SampleRatio) -> SampleRatio:
    return SampleRatio(
        observed=found.observed, expected=found.expected, declared=found.declared, statistic=found.statistic,
        p=found.p, method=found.method, absent=found.absent, unexpected=found.unexpected, note=found.note,
    )  # fmt: skip


def _crossed(joined: Joined) -> Crossed:
    tables: dict[tuple[str, str], dict[tuple[str, str], int]] = defaultdict(dict)
    for first, arm, second, other_arm, units in joined.rows("crossed_arms"):
        tables[first, second][arm, other_arm] = units
    return tables


def _with_others(name: str, crossed: Crossed) -> dict[str, dict[tuple[str, str], int]]:
    """By the other experiment: (arm of this one, arm of the other) → units, in order of the others' names."""
    found = {}
    for (first, second), cells in sorted(crossed.items()):
        if name == first:
            found[second] = dict(cells)
        elif name == second:
            found[first] = {(arm, other): units for (other, arm), units in cells.items()}
    return found


def _pairs(crossed: Mapping[str, Mapping[tuple[str, str], int]]) -> list[Independence]:
    """The tests against all other experiments that have a unit in common."""
    found = []
    for other, cells in crossed.items():
        rows, columns = (sorted(set(arms)) for arms in zip(*cells, strict=True))
        test = independence([[cells.get((row, column), 0) for column in columns] for row in rows])
        found.append(
            Independence(
                other=other, units=test.n, degrees=test.degrees, statistic=test.statistic, p=test.p, note=test.note
            )
        )
    return found
