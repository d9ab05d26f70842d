"""From the units of an experiment to sums over them: by arm, by slice, and by bucket of users.

All sums are exact integers, so they do not depend on the order of rows, on how the logs are cut into files, or on
threads. Sums of a unit in a slice are over its exposures there, and the cap of revenue is applied to these; what a unit
was before the experiment is the same in all slices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from recsys.evaluation.experiment import latency
from recsys.evaluation.experiment.cap import Cap
from recsys.evaluation.experiment.settle import Settled, values
from recsys.statistics.aggregates import Aggregates

UNITS = "units"
MAX_SLICES = 100
Buckets = dict[str, npt.NDArray]
"""Column → its sums by bucket of users, whole numbers; ``units`` counts these."""


@dataclass(frozen=True)
class Sums:
    """All that the statistics of an experiment need.

    ``arms``: over all assigned units. ``slices``: (key, value) → arm → over the units that were shown something there,
    of the values with most units; ``left_out``: key → how many other values there are. ``buckets``, ``slice_buckets``:
    the same by bucket of users. ``occupied``: the finest buckets that have a unit."""

    arms: dict[str, Aggregates]
    slices: dict[tuple[str, str], dict[str, Aggregates]]
    buckets: dict[str, Buckets]
    slice_buckets: dict[tuple[str, str], dict[str, Buckets]]
    latency: dict[str, latency.Latency]
    cap: Cap | None
    occupied: frozenset[int]
    left_out: dict[str, int] = field(default_factory=dict)


def sums(settled: Settled, *, slice_buckets: bool = True) -> Sums:
    """All sums of the experiment."""
    engine = settled.engine
    _sum_buckets(settled, None)
    arms = _aggregates(settled).get("", {})
    by_bucket = _buckets(settled, list(arms)).get("", {})
    slices: dict[tuple[str, str], dict[str, Aggregates]] = {}
    in_slices: dict[tuple[str, str], dict[str, Buckets]] = {}
    left_out = {}
    for key, place in settled.slices.items():
        left_out[key] = _choose(settled, place)
        _sum_buckets(settled, place)
        for value, found in _aggregates(settled).items():
            slices[key, value] = {arm: found.get(arm, settled.products.nothing()) for arm in arms}
        if slice_buckets:
            in_slices |= {(key, value): found for value, found in _buckets(settled, list(arms)).items()}
    fine = engine.rows("SELECT DISTINCT fine FROM unit_values")
    return Sums(
        arms=arms,
        slices=slices,
        buckets=by_bucket,
        slice_buckets=in_slices,
        latency=latency.latencies(engine, list(arms), settled.buckets) if settled.needs.latency else {},
        cap=settled.cap,
        occupied=frozenset(bucket for (bucket,) in fine),
        left_out=left_out,
    )


def _sum_buckets(settled: Settled, place: int | None) -> None:
    """Make the table ``bucket_sums``, one row per (slice value, arm, bucket); '' is the slice of the whole. All sums
    are made of it, so that the units are looked at once."""
    products = settled.products
    settled.engine.create(
        "bucket_sums",
        f"WITH valued AS ({values(settled, place)}), parts AS (SELECT valued.*{products.parts()} FROM valued) "
        f"SELECT slice, variant, bucket, count(*) AS units{products.aggregates()} FROM parts "
        "GROUP BY slice, variant, bucket",
    )


def _aggregates(settled: Settled) -> dict[str, dict[str, Aggregates]]:
    """Slice value → arm → aggregates, in the order of the names."""
    products = settled.products
    rows = settled.engine.rows(
        f"SELECT slice, variant, sum(units){products.added()} FROM bucket_sums GROUP BY slice, variant"
    )
    found: dict[str, dict[str, Aggregates]] = {}
    for value, arm, units, *row in sorted(rows, key=lambda row: row[:2]):
        found.setdefault(value, {})[arm] = products.read(units, row)
    return found


def _buckets(settled: Settled, arms: Sequence[str]) -> dict[str, dict[str, Buckets]]:
    """Slice value → arm → column → sums by bucket."""
    columns = (UNITS, *settled.products.columns)
    query = f"SELECT slice, variant, bucket, units{settled.products.totals()} FROM bucket_sums"
    found: dict[str, dict[str, dict[str, list[int]]]] = {}
    for value, arm, bucket, *row in sorted(settled.engine.rows(query), key=lambda row: row[:3]):
        by_arm = found.setdefault(
            value, {name: {column: [0] * settled.buckets for column in columns} for name in arms}
        )  # fmt: skip
        for column, number in zip(columns, row, strict=True):
            by_arm[arm][column][bucket] = int(number)
    return {
        value: {arm: {column: whole(numbers) for column, numbers in own.items()} for arm, own in by_arm.items()}
        for value, by_arm in found.items()
    }


def whole(numbers: Sequence[int]) -> npt.NDArray:
    """Whole numbers as 64 bits each where all fit, else as Python's integers."""
    fit = all(-(2**63) <= number < 2**63 for number in numbers)
    return np.array(numbers, dtype=np.int64 if fit else object)


def _choose(settled: Settled, place: int) -> int:
    """Make the table ``chosen_slices`` of the values with most units, and give how many others there are."""
    found = settled.engine.rows(
        f"SELECT slice_{place} AS slice, count(DISTINCT user_id) AS n FROM slice_sums GROUP BY slice_{place}"
    )
    ordered = sorted(found, key=lambda row: (-row[1], row[0]))
    settled.engine.load("chosen_slices", {"slice": "VARCHAR"}, [(value,) for value, _ in ordered[:MAX_SLICES]])
    return max(len(ordered) - MAX_SLICES, 0)
