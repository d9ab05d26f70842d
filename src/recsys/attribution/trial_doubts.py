"""Why the figures of an experiment cannot be relied on, and what a reader should know besides, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import Struct

from recsys.attribution import served_arms
from recsys.attribution.policy import EVENT_TYPES, Policy
from recsys.contracts.trial import AssignmentCounts, Independence, Served
from recsys.statistics.srm import ALPHA, SampleRatio
from recsys.text import printable

MAX_TWO_ARM_SHARE = 0.01
"""More units than this share of all in two arms are a reason to hold."""
MAX_SERVED_OTHERWISE = 0.01
"""More lists of another variant than was assigned, of those that name one, are a reason too."""


class Missing(Struct, frozen=True, kw_only=True):
    """Rows of a log that an experiment knows nothing of: ``unread`` lines that are not valid, and those that are
    ``lost``, in no log; ``read`` are those that it knows."""

    what: str
    unread: int
    lost: int
    read: int

    def __str__(self) -> str:
        words = {f"{self.unread:,} cannot be read": self.unread, f"{self.lost:,} are in no log": self.lost}
        told = " and ".join(text for text, count in words.items() if count)
        return f"of {self.unread + self.lost + self.read:,} {self.what} {told}"

    @property
    def share(self) -> float:
        """Of all that there were."""
        missing = self.unread + self.lost
        return missing / (missing + self.read) if missing else 0.0


def reasons(
    assignments: AssignmentCounts, units: int, in_two_arms: int, ratio: SampleRatio, missing: Sequence[Missing],
    max_lost_rate: float, served: Sequence[Served] | None = None,
) -> list[str]:  # fmt: skip
    """Empty where nothing speaks against the figures."""
    if not units:
        return [
            f"no assignment names a subject: all {assignments.anonymous:,} that differ are of anonymous requests"
        ]  # fmt: skip
    found = []
    if in_two_arms > MAX_TWO_ARM_SHARE * units:
        found.append(
            f"{in_two_arms:,} of {units:,} units ({in_two_arms / units:.2%}) were assigned to two arms, over the limit "
            f"of {MAX_TWO_ARM_SHARE:.2%}: they are counted in their first arm, and saw another"
        )
    wrong, named = served_arms.counts(served)
    if wrong > MAX_SERVED_OTHERWISE * named:
        found.append(
            f"{wrong:,} of {named:,} lists ({wrong / named:.2%}) name another variant than was assigned, over the "
            f"limit of {MAX_SERVED_OTHERWISE:.2%}: one of the logs is wrong, or the arms were not delivered"
        )
    if ratio.absent:
        found.append(f"no unit is in {_named(ratio.absent)}, which was declared")
    if ratio.unexpected:
        found.append(
            f"{_units(ratio.observed, ratio.unexpected)} in {_named(ratio.unexpected)}, which was not declared"
        )
    if not ratio.declared and len(ratio.observed) == 1:
        found.append(f"all units are in {_named(ratio.observed)}: there is no arm to compare it with")
    if ratio.p is not None and ratio.p < ALPHA:
        seen = ", ".join(f"{printable(arm)} {ratio.observed.get(arm, 0):,}" for arm in ratio.expected)
        wanted = ", ".join(f"{count:,.0f}" for count in ratio.expected.values())
        equal = "" if ratio.declared else "; equal shares were expected, for no weights were declared"
        found.append(
            f"the arms do not have the units that they should: {seen} in place of {wanted} (p = {ratio.p:.2g}){equal}; "
            "what keeps units out of an arm may also change what the rest of it does"
        )
    found += [
        f"{each}, which is {each.share:.2%}, over the limit of {max_lost_rate:.2%}: nobody knows whose they are, and "
        "one arm may have more of them than another"
        for each in missing
        if each.share > max_lost_rate
    ]
    return found


def _units(observed: Mapping[str, int], arms: Sequence[str]) -> str:
    count = sum(observed[arm] for arm in arms)
    return f"{count:,} units are" if count != 1 else "1 unit is"


def _named(arms: Sequence[str] | Mapping[str, int]) -> str:
    return ", ".join(f"arm {printable(arm)}" for arm in arms)


def notes(
    assignments: AssignmentCounts,
    ratio: SampleRatio,
    crossed: Sequence[Independence],
    *,
    policy: Policy,
    as_of: datetime | None,
    missing: Sequence[Missing],
    served: Sequence[Served] | None = None,
) -> list[str]:
    """What is no reason to hold."""
    found = []
    if not ratio.declared and len(ratio.observed) > 1:
        found.append("The arms were not declared: those that were seen are taken for all, with equal shares.")
    if assignments.without_exposure:
        found.append(
            f"{assignments.without_exposure:,} of {assignments.requests:,} assigned requests have no exposure."
        )
    found += _served_otherwise(served or [])
    unlimited = [kind for kind in EVENT_TYPES if policy.windows_s.get(kind) is None]
    if as_of is not None and unlimited:
        found.append(
            f"There is no window for {' and '.join(f'{kind}s' for kind in unlimited)}: lists that were shown shortly "
            "before the end had less time to be answered."
        )
    found += [
        f"{str(each)[0].upper()}{str(each)[1:]}: they are in no figure here, and not in the bounds."
        for each in missing
        if each.share
    ]
    found += [
        f"Its arms depend on those of {printable(pair.other)} (p = {pair.p:.2g}): what is seen here may be its effect."
        for pair in crossed
        if pair.p is not None and pair.p < ALPHA
    ]
    return found


def _served_otherwise(served: Sequence[Served]) -> list[str]:
    wrong, named = served_arms.counts(served)
    if not wrong:
        return []
    parts = ", ".join(
        f"{each.exposures:,} of {printable(each.assigned)} say {_variant(each.shown)}"
        for each in served_arms.otherwise(served)
    )
    told = f"{wrong:,} of {named:,} lists that name a variant name another than was assigned: {parts}."
    return [f"{told} Each counts for the arm of its user."]


def _variant(arm: str | None) -> str:
    return "what is no arm" if arm is None else printable(arm)
