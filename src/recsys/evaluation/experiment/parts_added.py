"""Who counts in an experiment: the counts of two disjoint sets of users, added."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

import msgspec

from recsys.attribution.experiment import Standing
from recsys.attribution.trial import TrialParts
from recsys.attribution.trial_doubts import Missing
from recsys.contracts.trial import AssignmentCounts, Served

Crossed = dict[str, dict[tuple[str, str], int]]


def parts_added(one: TrialParts, other: TrialParts, without: Collection[str]) -> TrialParts:
    """Of one experiment. ``without``: other experiments of which a part does not say who is in both."""
    sums = {
        arm: one.sums[arm] + other.sums[arm] if arm in one.sums and arm in other.sums
        else one.sums.get(arm) or other.sums[arm]
        for arm in sorted({*one.sums, *other.sums})
    }  # fmt: skip
    return TrialParts(
        experiment_id=one.experiment_id,
        sums=sums,
        standings=_standings([*one.standings, *other.standings]),
        unjoined=one.unjoined + other.unjoined,
        assignments=_assignments(one.assignments, other.assignments),
        crossed=_crossed(one.crossed, other.crossed, without),
        missing=_missing(one.missing, other.missing),
        served=None if one.served is None or other.served is None else _served([*one.served, *other.served]),
    )


def _standings(rows: list[Standing]) -> list[Standing]:
    found: dict[tuple[str | None, str], Counter[str]] = {}
    for row in rows:
        found.setdefault((row.variant, row.standing), Counter()).update(
            {"n": row.n, "empty": row.empty, "error": row.error}
        )
    ordered = sorted(found.items(), key=lambda item: (item[0][0] is None, item[0][0] or "", item[0][1]))
    return [
        Standing(variant, standing, counts["n"], counts["empty"], counts["error"])
        for (variant, standing), counts in ordered
    ]


def _assignments(one: AssignmentCounts, other: AssignmentCounts) -> AssignmentCounts:
    total = Counter(msgspec.structs.asdict(one))
    total.update(msgspec.structs.asdict(other))
    return AssignmentCounts(**total)


def _crossed(one: Crossed, other: Crossed, without: Collection[str]) -> Crossed:
    names = sorted({*one, *other} - {*without})
    return {name: _cells(one.get(name, {}), other.get(name, {})) for name in names}


def _cells(one: Mapping[tuple[str, str], int], other: Mapping[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    return dict(sorted((Counter(one) + Counter(other)).items()))


def _missing(one: list[Missing], other: list[Missing]) -> list[Missing]:
    known = {each.what: each for each in other}
    return [
        Missing(
            what=each.what, unread=each.unread + known[each.what].unread, lost=each.lost + known[each.what].lost,
            read=each.read + known[each.what].read,
        )
        for each in one
    ]  # fmt: skip


def _served(rows: list[Served]) -> list[Served]:
    found: Counter[tuple[str, str | None]] = Counter()
    for row in rows:
        found[row.assigned, row.shown] += row.exposures
    ordered = sorted(found.items(), key=lambda item: (item[0][0], item[0][1] is None, item[0][1] or ""))
    return [Served(assigned=assigned, shown=shown, exposures=n) for (assigned, shown), n in ordered]
