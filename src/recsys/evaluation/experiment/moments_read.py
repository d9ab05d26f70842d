"""From ``moments.v1`` back to what was gathered of an experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from recsys.contracts import moments as told
from recsys.evaluation.experiment.cap import Cap
from recsys.evaluation.experiment.columns import of_past
from recsys.evaluation.experiment.gathered import Gathered, LeftOut
from recsys.evaluation.experiment.latency import Latency
from recsys.evaluation.experiment.match_rates import MatchRates
from recsys.evaluation.experiment.maturity import Maturity
from recsys.evaluation.experiment.moments_cells import buckets_of
from recsys.evaluation.experiment.moments_who import parts
from recsys.evaluation.experiment.reduce import UNITS, Buckets, Sums, whole
from recsys.statistics.aggregates import Aggregates
from recsys.statistics.histogram import histogram
from recsys.statistics.moments import Moments


def gathered(found: told.Moments, buckets: int) -> Gathered:
    """``buckets``: of users, by which latencies and slices are summed. ValueError for sums that do not fit."""
    return Gathered(
        errors_known=found.errors_known,
        quality=found.data_quality,
        hours=[],
        parts=parts(found.experiment_id, found.who),
        sums=_sums(found, buckets),
        matched=MatchRates({arm: Moments(*own) for arm, own in found.matched.arms.items()}, found.matched.unknown),
        shown={arm: Moments(*own) for arm, own in found.shown.items()},
        origins={
            (each.key, value): arms for each in found.origins for value, arms in each.values.items()
        },
        maturity=Maturity(found.times.delays, found.times.by_end),
        impressions=None,
        left_out=LeftOut(
            origins={each.key: each.left_out for each in found.origins},
            matched=frozenset(found.matched.left_out),
            crossed=frozenset(found.who.crossed_left_out),
        ),
        shards=(_named(found),),
    )  # fmt: skip


def _named(found: told.Moments) -> str:
    inputs = ", ".join(sorted({f"{each.role} {each.path} sha256:{each.sha256[:12]}" for each in found.inputs}))
    part = "all users" if found.shard is None else f"part {found.shard.part} of {found.shard.of}"
    return f"{part} of {inputs}"


def _sums(found: told.Moments, buckets: int) -> Sums:
    arms = {arm: _aggregates(cell, found.columns, found.products) for arm, cell in sorted(found.arms.items())}
    columns = [column for column in found.columns if not of_past(column)]
    products = [pair for pair in found.products if not any(map(of_past, pair))]
    return Sums(
        arms=arms,
        slices={
            (each.key, one.value): _by_arm(one.arms, arms, columns, products)
            for each in found.slices
            for one in each.values
        },
        slice_buckets={
            (each.key, one.value): _buckets(one.buckets, list(arms), columns, buckets)
            for each in found.slices
            for one in each.values
            if one.buckets is not None
        },
        latency={} if found.latency is None else {
            arm: _latency(own, buckets) for arm, own in sorted(found.latency.items())
        },
        cap=None if found.cap is None else Cap(
            found.cap.micros, found.cap.quantile, found.cap.nonzero, found.cap.cut
        ),
        occupied=buckets_of(found.occupied),
        left_out={each.key: each.left_out for each in found.slices},
        days={one.value: _by_arm(one.arms, arms, columns, products) for one in found.days.values},
        days_left_out=found.days.left_out,
        withheld={each.key: each.withheld for each in found.slices if each.withheld},
        latency_withheld=found.latency_withheld,
    )  # fmt: skip


def _aggregates(cell: told.Cell, columns: Sequence[str], products: Sequence[tuple[str, str]]) -> Aggregates:
    return Aggregates(
        units=cell.units,
        totals=dict(zip(columns, cell.totals, strict=True)),
        products=dict(zip(products, cell.products, strict=True)),
        nonzero=dict(zip(columns, cell.nonzero, strict=True)),
    )


def _by_arm(
    cells: Mapping[str, told.Cell], arms: Sequence[str] | Mapping, columns: Sequence[str],
    products: Sequence[tuple[str, str]],
) -> dict[str, Aggregates]:  # fmt: skip
    """Every arm has sums, be they zeros."""
    zeros = [0] * len(columns)
    nothing = told.Cell(units=0, totals=zeros, nonzero=zeros, products=[0] * len(products))
    return {arm: _aggregates(cells.get(arm, nothing), columns, products) for arm in arms}


def _buckets(
    told_by_arm: Mapping[str, list[list[int]]], arms: Sequence[str], columns: Sequence[str], buckets: int
) -> dict[str, Buckets]:
    names = (UNITS, *columns)
    nothing = [[0] * buckets] * len(names)
    found = {
        arm: {name: whole(own) for name, own in zip(names, told_by_arm.get(arm, nothing), strict=True)} for arm in arms
    }
    if any(len(array) != buckets for own in found.values() for array in own.values()):
        raise ValueError(f"sums by bucket must be of {buckets:,} buckets, as the configuration says")
    return found


def _latency(own: told.LatencyCells, buckets: int) -> Latency:
    cells = np.array([own.buckets, own.bins, own.counts], dtype=np.int64).reshape(3, -1).T
    return Latency(histogram(cells, buckets), own.missing)
