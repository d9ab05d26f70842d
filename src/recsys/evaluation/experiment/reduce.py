"""From the units of an experiment to sums over them: by arm, by slice, and by bucket of users.

All sums are exact integers, so they do not depend on the order of rows, on how the logs are cut into files, or on
threads. Sums of a unit in a slice are over its exposures there, and the cap of revenue is applied to these; what a unit
was before the experiment is the same in all slices.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from recsys.evaluation.experiment import latency, utc_days
from recsys.evaluation.experiment.cap import Cap
from recsys.evaluation.experiment.settle import Settled, values
from recsys.evaluation.experiment.units import DAY
from recsys.statistics.aggregates import Aggregates

UNITS = "units"
MAX_SLICES = 100
MAX_DAYS = 60
Buckets = dict[str, npt.NDArray]
"""Column → its sums by bucket of users, whole numbers; ``units`` counts these."""


@dataclass(frozen=True)
class Sums:
    """All that the statistics of an experiment need.

    ``arms``: over all assigned units. ``slices``: (key, value) → arm → over the units that were shown something there,
    of the values with most units; ``left_out``: key → how many other values there are, at least. ``slice_buckets``: the
    same by bucket of users. ``days``: the same by UTC day, the last ``MAX_DAYS``; ``days_left_out``: how many others
    there are, at least. ``occupied``: the finest buckets that have a unit. ``withheld``: key → why there are no
    ``slice_buckets`` of it; ``latency_withheld``: why there is no ``latency``."""

    arms: dict[str, Aggregates]
    slices: dict[tuple[str, str], dict[str, Aggregates]]
    slice_buckets: dict[tuple[str, str], dict[str, Buckets]]
    latency: dict[str, latency.Latency]
    cap: Cap | None
    occupied: frozenset[int]
    left_out: dict[str, int] = field(default_factory=dict)
    days: dict[str, dict[str, Aggregates]] = field(default_factory=dict)
    days_left_out: int = 0
    withheld: dict[str, str] = field(default_factory=dict)
    latency_withheld: str = ""


def sums(settled: Settled, *, count_users: bool = False) -> Sums:
    """All sums of the experiment. ``count_users``: also how many users the latencies of each bucket are of."""
    engine = settled.engine
    arms = _arms(settled)
    slices: dict[tuple[str, str], dict[str, Aggregates]] = {}
    in_slices: dict[tuple[str, str], dict[str, Buckets]] = {}
    left_out = {}
    for key, cut in settled.slices.items():
        left_out[key] = _choose(settled, cut)
        _sum_buckets(settled, cut)
        slices |= {(key, value): found for value, found in _by_value(settled, arms).items()}
        in_slices |= {(key, value): found for value, found in _buckets(settled, list(arms)).items()}
    days, days_left_out = _days(settled, arms) if settled.by_day else ({}, 0)
    fine = engine.rows("SELECT DISTINCT fine FROM unit_values")
    return Sums(
        arms=arms,
        slices=slices,
        slice_buckets=in_slices,
        latency=latency.latencies(engine, list(arms), settled.buckets, count_users=count_users)
        if settled.needs.latency
        else {},
        cap=settled.cap,
        occupied=frozenset(bucket for (bucket,) in fine),
        left_out=left_out,
        days=days,
        days_left_out=days_left_out,
    )


def _arms(settled: Settled) -> dict[str, Aggregates]:
    _sum_buckets(settled, None, "0")
    return _aggregates(settled).get("", {})


def _days(settled: Settled, arms: Iterable[str]) -> tuple[dict[str, dict[str, Aggregates]], int]:
    """By day, in order, of the last days on which an exposure counts; and how many there are before them."""
    found = settled.engine.rows(f"SELECT DISTINCT {DAY} FROM slice_sums")
    last = sorted((int(day) for (day,) in found), reverse=True)[:MAX_DAYS]
    settled.engine.load("chosen_slices", {"slice": "VARCHAR"}, [(str(day),) for day in last])
    _sum_buckets(settled, DAY, "0")
    by_day = {utc_days.named(day): own for day, own in _by_value(settled, arms).items()}
    return dict(sorted(by_day.items())), len(found) - len(last)


def _by_value(settled: Settled, arms: Iterable[str]) -> dict[str, dict[str, Aggregates]]:
    """Slice value → arm → aggregates; an arm without units there has zeros."""
    nothing = settled.products.nothing()
    return {
        value: {arm: found.get(arm, nothing) for arm in arms} for value, found in _aggregates(settled).items()
    }  # fmt: skip


def _sum_buckets(settled: Settled, cut: str | None, bucket: str = "bucket") -> None:
    """Make the table ``bucket_sums``, one row per (slice value, arm, bucket); '' is the slice of the whole. All sums
    are made of it, so that the units are looked at once."""
    products = settled.products
    settled.engine.create(
        "bucket_sums",
        f"WITH valued AS ({values(settled, cut)}), parts AS (SELECT valued.*{products.parts()} FROM valued) "
        f"SELECT slice, variant, {bucket} AS bucket, count(*) AS units{products.aggregates()} FROM parts "
        f"GROUP BY slice, variant{', bucket' if bucket == 'bucket' else ''}",
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


def _choose(settled: Settled, cut: str) -> int:
    """Make the table ``chosen_slices`` of the values with most units, and give how many others there are."""
    found = settled.engine.rows(f"SELECT {cut} AS slice, count(DISTINCT user_id) AS n FROM slice_sums GROUP BY {cut}")
    ordered = sorted(found, key=lambda row: (-row[1], row[0]))
    settled.engine.load("chosen_slices", {"slice": "VARCHAR"}, [(value,) for value, _ in ordered[:MAX_SLICES]])
    return max(len(ordered) - MAX_SLICES, 0)
