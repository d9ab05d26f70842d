"""Who counts in an experiment, in ``moments.v1`` and back."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, astuple, fields

from recsys.attribution.experiment import ArmSums, Standing, UnjoinedOutcomes, Unread
from recsys.attribution.trial import TrialParts
from recsys.attribution.trial_doubts import Missing
from recsys.contracts import moments as told
from recsys.evaluation.experiment.moments_cells import enough
from recsys.statistics.bounds import Credit
from recsys.statistics.moments import Moments

_COUNTS = tuple(part.name for part in fields(ArmSums) if part.name != "moments")
_UNJOINED = (
    "orphan_clicks", "ambiguous_clicks", "orphan_conversions", "ambiguous_conversions", "click_squares",
    "conversion_squares", "largest_micros", "displacing",
)  # fmt: skip


def who(parts: TrialParts, without: Collection[str]) -> told.Who:
    """``without``: other experiments of which it is not known who is in both."""
    kept = {other: cells for other, cells in parts.crossed.items() if enough(cells.values())}
    return told.Who(
        arms={arm: _arm(own) for arm, own in parts.sums.items()},
        standings=[told.StandingCount(**asdict(each)) for each in parts.standings],
        unjoined=_unjoined(parts.unjoined),
        assignments=parts.assignments,
        missing=[
            told.MissingRows(what=each.what, unread=each.unread, lost=each.lost, read=each.read)
            for each in parts.missing
        ],
        served=parts.served,
        crossed=[
            told.CrossedArms(other=other, cells=[(arm, theirs, units) for (arm, theirs), units in cells.items()])
            for other, cells in kept.items()
        ],
        crossed_left_out=sorted({*without, *(other for other in parts.crossed if other not in kept)}),
    )


def _arm(own: ArmSums) -> told.ArmCounts:
    moments = {name: astuple(each) for name, each in own.moments.items()}
    return told.ArmCounts(**{name: getattr(own, name) for name in _COUNTS}, moments=moments)


def _unjoined(found: UnjoinedOutcomes) -> told.UnjoinedSums:
    return told.UnjoinedSums(
        **{name: getattr(found, name) for name in _UNJOINED},
        raising=(found.raising.named, found.raising.squares),
        lowering=(found.lowering.named, found.lowering.squares),
        invalid=found.unread.invalid,
        lost=found.unread.lost,
    )


def parts(experiment_id: str, found: told.Who) -> TrialParts:
    """The same back."""
    return TrialParts(
        experiment_id=experiment_id,
        sums={arm: _sums(own) for arm, own in sorted(found.arms.items())},
        standings=[
            Standing(each.variant, each.standing, each.n, each.empty, each.error) for each in found.standings
        ],
        unjoined=UnjoinedOutcomes(
            **{name: getattr(found.unjoined, name) for name in _UNJOINED},
            raising=Credit(*found.unjoined.raising),
            lowering=Credit(*found.unjoined.lowering),
            unread=Unread(found.unjoined.invalid, found.unjoined.lost),
        ),
        assignments=found.assignments,
        crossed={
            each.other: {(arm, theirs): units for arm, theirs, units in each.cells} for each in found.crossed
        },
        missing=[
            Missing(what=each.what, unread=each.unread, lost=each.lost, read=each.read) for each in found.missing
        ],
        served=found.served,
    )  # fmt: skip


def _sums(own: told.ArmCounts) -> ArmSums:
    moments = {name: Moments(*each) for name, each in own.moments.items()}
    return ArmSums(**{name: getattr(own, name) for name in _COUNTS}, moments=moments)
