"""From what was gathered of an experiment to ``moments.v1``: exact sums, none over few users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from recsys import __version__
from recsys.attribution.shards import Shard
from recsys.contracts import moments as told
from recsys.contracts.report import DataQuality, Input
from recsys.errors import InputError
from recsys.evaluation.experiment.added import cells_of
from recsys.evaluation.experiment.cap import Cap
from recsys.evaluation.experiment.columns import of_past
from recsys.evaluation.experiment.gathered import Gathered
from recsys.evaluation.experiment.latency import Latency
from recsys.evaluation.experiment.measures import EXPOSURES
from recsys.evaluation.experiment.moments_cells import (
    LEAST_USERS,
    bitmap,
    buckets_withheld,
    enough,
    latency_withheld,
    to_keep,
)
from recsys.evaluation.experiment.moments_who import who
from recsys.evaluation.experiment.reduce import UNITS, Buckets, Sums
from recsys.statistics.aggregates import Aggregates
from recsys.statistics.moments import Moments
from recsys.text import printable

DAY = "day"
WITHOUT = "Coverage, Gini and novelty, and rates by hour and by slice, are not in moments."


class Header(Struct, frozen=True, kw_only=True):
    """Of which logs, under which configuration, of which part of their users, and until when."""

    inputs: list[Input]
    effective_config: dict[str, Any]
    shard: Shard | None
    as_of: datetime | None
    at: datetime


def written(found: Gathered, header: Header) -> told.Moments:
    """InputError, by name, for an arm of too few users: without it the rest would say what is in it."""
    for arm in found.parts.sums:
        units = found.parts.sums[arm].units
        if arm in found.shown:
            units = min(units, found.shown[arm].units)
        if not enough([units]):
            raise InputError(
                "an arm has too few users for moments", where=f"arm {printable(arm)}", found=f"{units:,}",
                expected=f"{LEAST_USERS} or more",
                hint="Wait for more users, make fewer parts, or take the arm's rows out of the logs.",
            )  # fmt: skip
    sums = found.sums
    some = next(iter(sums.arms.values()), Aggregates())
    slices = [_slices(sums, key) for key in dict.fromkeys(key for key, _ in sums.slices)]
    days = _days(sums)
    withheld = sums.latency_withheld or latency_withheld(sums)
    matched, origins, whose = _matched(found), _origins(found), who(found.parts, found.left_out.crossed)
    return told.Moments(
        version=__version__,
        created_at=header.at,
        experiment_id=found.parts.experiment_id,
        effective_config=header.effective_config,
        as_of=header.as_of,
        shard=None if header.shard is None else told.Shard(part=header.shard.part, of=header.shard.of),
        occupied=bitmap(sums.occupied),
        inputs=header.inputs,
        notes=_notes(slices, days, withheld, matched, origins, whose),
        data_quality=_quality(found),
        errors_known=found.errors_known,
        shown={arm: _six(own) for arm, own in found.shown.items()},
        who=whose,
        columns=list(some.totals),
        products=list(some.products),
        arms={arm: _cell(own) for arm, own in sums.arms.items()},
        slices=slices,
        days=days,
        latency=None if withheld else {arm: _latency(own) for arm, own in sums.latency.items()},
        latency_withheld=withheld,
        cap=_cap(sums.cap),
        matched=matched,
        origins=origins,
        times=told.Times(delays=found.maturity.delays, by_end=found.maturity.by_end),
    )


def _quality(found: Gathered) -> DataQuality:
    return replace(found.quality, by=[])


def _cell(own: Aggregates) -> told.Cell:
    return told.Cell(
        units=own.units, totals=list(own.totals.values()), nonzero=list(own.nonzero.values()),
        products=list(own.products.values()),
    )  # fmt: skip


def _cells(arms: Mapping[str, Aggregates]) -> dict[str, told.Cell]:
    """Of the arms that have users there, what these did there. What they were before is the same in all places, so the
    sum over all places less that of the arm would be of those who are in several, or in none, be they few."""
    return {arm: _cell(_done(own)) for arm, own in arms.items() if own.units}


def _done(own: Aggregates) -> Aggregates:
    """Without what the units were before the experiment."""
    return Aggregates(
        units=own.units,
        totals={column: total for column, total in own.totals.items() if not of_past(column)},
        products={pair: total for pair, total in own.products.items() if not any(map(of_past, pair))},
        nonzero={column: units for column, units in own.nonzero.items() if not of_past(column)},
    )


def _kept(
    sums: Sums, places: Mapping[str, Mapping[str, Aggregates]], unnamed: int
) -> dict[str, Mapping[str, Aggregates]]:  # fmt: skip
    units = {place: {arm: own.units for arm, own in arms.items()} for place, arms in places.items()}
    shown = {arm: own.nonzero[EXPOSURES] for arm, own in sums.arms.items()}
    return {place: places[place] for place in to_keep(units, unnamed, shown)}


def _slices(sums: Sums, key: str) -> told.Slices:
    values = {value: arms for (own, value), arms in sums.slices.items() if own == key}
    kept = _kept(sums, values, sums.left_out.get(key, 0))
    withheld = sums.withheld.get(key) or buckets_withheld(sums, key, kept)
    return told.Slices(
        key=key,
        values=[
            told.SliceValue(
                value=value, arms=_cells(arms),
                buckets=None if withheld else _buckets(arms, sums.slice_buckets[key, value]),
            )
            for value, arms in kept.items()
        ],
        left_out=sums.left_out.get(key, 0) + len(values) - len(kept),
        withheld=withheld,
    )  # fmt: skip


def _buckets(arms: Mapping[str, Aggregates], tables: Mapping[str, Buckets]) -> dict[str, list[list[int]]]:
    """Of the arms that have users there: these by bucket, then the columns."""
    return {
        arm: [tables[arm][name].tolist() for name in (UNITS, *_done(own).totals)]
        for arm, own in arms.items()
        if own.units
    }


def _days(sums: Sums) -> told.Slices:
    kept = _kept(sums, sums.days, sums.days_left_out)
    return told.Slices(
        key=DAY, values=[told.SliceValue(value=day, arms=_cells(arms)) for day, arms in kept.items()],
        left_out=sums.days_left_out + len(sums.days) - len(kept),
    )  # fmt: skip


def _latency(own: Latency) -> told.LatencyCells:
    buckets, bins, counts = cells_of(own.histogram).T.tolist()
    return told.LatencyCells(buckets=buckets, bins=bins, counts=counts, missing=own.missing)


def _cap(found: Cap | None) -> told.RevenueCap | None:
    if found is None:
        return None
    return told.RevenueCap(micros=found.micros, quantile=found.quantile, nonzero=found.nonzero, cut=found.cut)


def _matched(found: Gathered) -> told.Matched:
    arms = found.matched.arms
    kept = {arm: own for arm, own in arms.items() if enough([own.units])}
    return told.Matched(
        arms={arm: _six(own) for arm, own in kept.items()},
        unknown=found.matched.unknown,
        left_out=sorted({*found.left_out.matched, *(arm for arm in arms if arm not in kept)}),
    )


def _six(own: Moments) -> told.Six:
    return (own.units, own.y, own.n, own.yy, own.yn, own.nn)


def _origins(found: Gathered) -> list[told.OriginKey]:
    values: dict[str, dict[str, dict[str, int]]] = {}
    for (key, value), arms in found.origins.items():
        values.setdefault(key, {})[value] = arms
    before = found.left_out.origins
    kept = {key: {value: own[value] for value in to_keep(own, before.get(key, 0))} for key, own in values.items()}
    return [
        told.OriginKey(key=key, values=kept[key], left_out=before.get(key, 0) + len(own) - len(kept[key]))
        for key, own in values.items()
    ]


def _notes(
    slices: Sequence[told.Slices], days: told.Slices, withheld: str, matched: told.Matched,
    origins: Sequence[told.OriginKey], whose: told.Who,
) -> list[str]:  # fmt: skip
    """What is not in the moments, in words."""
    few = f"a sum over fewer than {LEAST_USERS} users of an arm"
    without = f"{few}, or the whole without them would be one"
    left_out = [
        (f"values of {printable(each.key)}", each.left_out) for each in (*slices, days)
    ] + [(f"values of {printable(each.key)} of first assignments", each.left_out) for each in origins]  # fmt: skip
    found = [f"{count:,} {what} are left out, as {without}, or beyond the most." for what, count in left_out if count]
    found += [f"{_sentence(reason)}." for reason in (withheld, *(each.withheld for each in slices)) if reason]
    found += [f"How many outcomes of arm {printable(arm)} matched is left out: {few}." for arm in matched.left_out]
    found += [
        f"Who is also in {printable(name)} is left out: {few} of it." for name in whose.crossed_left_out
    ]  # fmt: skip
    return [*found, WITHOUT]


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
