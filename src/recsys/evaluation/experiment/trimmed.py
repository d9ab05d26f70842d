"""What was added of parts, in the order and of the size that it has when it is gathered at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from recsys.evaluation.experiment.gathered import Gathered
from recsys.evaluation.experiment.reduce import MAX_DAYS, MAX_SLICES, Sums


def trimmed(found: Gathered, keys: Sequence[str]) -> Gathered:
    """Slices by ``keys``, of each those values with most units; the last days."""
    places = [place for key in keys for place in _most(found.sums, key)]
    sums = dataclasses.replace(
        found.sums,
        slices={place: found.sums.slices[place] for place in places},
        slice_buckets={
            place: found.sums.slice_buckets[place] for place in places if place in found.sums.slice_buckets
        },
        days={day: found.sums.days[day] for day in sorted(found.sums.days)[-MAX_DAYS:]},
    )  # fmt: skip
    return dataclasses.replace(found, sums=sums)


def _most(sums: Sums, key: str) -> list[tuple[str, str]]:
    """In order of their names."""
    units = {place: sum(arm.units for arm in arms.values()) for place, arms in sums.slices.items() if place[0] == key}
    return sorted(sorted(units, key=lambda place: (-units[place], place[1]))[:MAX_SLICES])
