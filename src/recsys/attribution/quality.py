"""Whether the logs can be believed: rows, fates and rates, in all, by day, by event type and by slice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from recsys.attribution.slice_keys import ALWAYS_BY, MAX_SLICE_KEYS
from recsys.contracts.report import (
    UNKNOWN,
    DataQuality,
    ExposureQuality,
    Fates,
    HourPoint,
    RankPoint,
    Rate,
    Rates,
    SliceQuality,
)

if TYPE_CHECKING:
    from recsys.attribution.join import Joined
    from recsys.attribution.sources import AcceptedDataset

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MATCHED = ("not_in_list", "before_exposure", "after_window", "user_mismatch", "later_touch", "attributed")
MAX_HOURS = 24 * 62
_COUNTS = (
    "n", "joined", "joined_click", "joined_conversion", "impressions", "ambiguous", "empty", "error", "anonymous",
    "repeated_rank", "repeated_item", "rank_gap", "zero_propensity",
)  # fmt: skip

Group = tuple[str, str]
"""A key and one of its values."""


def data_quality(joined: Joined) -> DataQuality:
    """All of it, from counts that the engine made."""
    exposure_rows = joined.rows("exposure_counts")
    fate_rows = joined.rows("fate_counts")
    invalid = joined.dataset.outcomes.invalid
    fates = _sum_fates(((row[-2], row[-1]) for row in fate_rows), invalid)
    exposures = _exposure_quality(joined, exposure_rows)
    conflicting, user_mismatch, anonymous = joined.rows("outcome_flags")[0]
    [(inferred,)] = joined.rows("inferred_outcomes")
    shared = sum(row[1 + MAX_SLICE_KEYS + 1] for row in exposure_rows)
    return DataQuality(
        exposures=exposures,
        fates=fates,
        rates=_rates(fates, shared, exposures.distinct),
        conflicting_duplicates=conflicting,
        user_mismatch=user_mismatch,
        anonymous_outcomes=anonymous,
        missing_keys={
            key: sum(row[1 + MAX_SLICE_KEYS] for row in exposure_rows if row[place] is None)
            for place, key in enumerate(joined.slice_keys, start=1)
        },
        by=_by(joined.slice_keys, exposure_rows, fate_rows, invalid),
        gaps=joined.dataset.gaps,
        lost_exposures=lost(joined.dataset, "exposures"),
        lost_outcomes=lost(joined.dataset, "outcomes"),
        lost_assignments=lost(joined.dataset, "assignments"),
        refused=sum(gap.refused for gap in joined.dataset.gaps),
        aliases=len(joined.dataset.aliases),
        inferred_outcomes=inferred,
    )


def under_policy(joined: Joined, before: DataQuality) -> DataQuality:
    """``before``, which is of the same logs under another policy, with the fates, rates and inferred outcomes of the
    policy of ``joined``; without a breakdown."""
    fates = _sum_fates(((row[-2], row[-1]) for row in joined.rows("fate_counts")), joined.dataset.outcomes.invalid)
    shared = before.rates.join
    [(inferred,)] = joined.rows("inferred_outcomes")
    return replace(
        before,
        fates=fates,
        rates=_rates(fates, shared.numerator, shared.denominator),
        inferred_outcomes=inferred,
        by=[],
    )


def lost(dataset: AcceptedDataset, log: str) -> int:
    """How many records of a log are known to be in none of its files."""
    return sum(gap.lost for gap in dataset.gaps if gap.log == log)


def rate(numerator: int, denominator: int) -> Rate:
    """A share, null where it is over nothing."""
    return Rate(value=numerator / denominator if denominator else None, numerator=numerator, denominator=denominator)


def _rates(fates: Fates, joined: int, exposures: int) -> Rates:
    countable = fates.rows - fates.invalid - fates.duplicate
    return Rates(
        valid=rate(fates.rows - fates.invalid, fates.rows),
        match=rate(sum(getattr(fates, fate) for fate in MATCHED), countable),
        attribution=rate(fates.attributed, countable),
        join=rate(joined, exposures),
    )


def _sum_fates(counted: Iterable[tuple[str, int]], invalid: int) -> Fates:
    total: Counter[str] = Counter()
    for fate, n in counted:
        total[fate] += n
    return Fates(rows=sum(total.values()) + invalid, invalid=invalid, **total)


def _exposure_quality(joined: Joined, rows: list[tuple[Any, ...]]) -> ExposureQuality:
    first = 1 + MAX_SLICE_KEYS
    sums = {name: int(sum(row[first + place] for row in rows)) for place, name in enumerate(_COUNTS)}
    read = joined.dataset.exposures
    (users,) = joined.rows("users")[0]
    return ExposureQuality(
        rows=read.rows,
        invalid=read.invalid,
        redelivered=read.rows - read.invalid - sums["n"],
        distinct=sums["n"],
        impressions=sums["impressions"],
        users=users,
        ambiguous=sums["ambiguous"],
        empty=sums["empty"],
        error=sums["error"],
        anonymous=sums["anonymous"],
        repeated_rank=sums["repeated_rank"],
        repeated_item=sums["repeated_item"],
        rank_gap=sums["rank_gap"],
        zero_propensity=sums["zero_propensity"],
        first_ts=_instant(min((row[-2] for row in rows), default=None)),
        last_ts=_instant(max((row[-1] for row in rows), default=None)),
    )


def _instant(micros: int | None) -> datetime | None:
    return None if micros is None else EPOCH + timedelta(microseconds=micros)


def _by(
    keys: tuple[str, ...], exposure_rows: list[tuple[Any, ...]], fate_rows: list[tuple[Any, ...]], invalid: int
) -> list[SliceQuality]:
    """One entry for each value of ``day``, of ``event_type`` and of each slice key. Invalid rows, of which nothing is
    known, count under ``unknown``, so that the fates of a key's values add up to all rows."""
    exposures: dict[Group, int] = defaultdict(int)
    joined: dict[Group, int] = defaultdict(int)
    fates: dict[Group, list[tuple[str, int]]] = defaultdict(list)
    first = 1 + MAX_SLICE_KEYS
    for row in exposure_rows:
        n, shared, shared_click, shared_conversion = row[first : first + 4]
        for group in (("day", _day(row[0])), *_slices(keys, row, 1)):
            exposures[group] += n
            joined[group] += shared
        for group, count in (
            (("event_type", "click"), shared_click),
            (("event_type", "conversion"), shared_conversion),
        ):
            exposures[group] += n
            joined[group] += count
    for row in fate_rows:
        for group in (("day", _day(row[0])), ("event_type", row[1]), *_slices(keys, row, 2)):
            fates[group].append((row[-2], row[-1]))
    groups = {*exposures, *fates}
    if invalid:
        groups |= {(key, UNKNOWN) for key in (*ALWAYS_BY, *keys)}
    place = {key: n for n, key in enumerate((*ALWAYS_BY, *keys))}
    found = []
    for group in sorted(groups, key=lambda group: (place[group[0]], group[1])):
        summed = _sum_fates(fates[group], invalid if group[1] == UNKNOWN else 0)
        rates = _rates(summed, joined[group], exposures[group])
        found.append(SliceQuality(key=group[0], value=group[1], exposures=exposures[group], fates=summed, rates=rates))
    return found


def _slices(keys: tuple[str, ...], row: tuple[Any, ...], start: int) -> list[Group]:
    return [(key, UNKNOWN if row[start + n] is None else row[start + n]) for n, key in enumerate(keys)]


def _day(number: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=number)).isoformat()


def hours(joined: Joined) -> list[HourPoint]:
    """Exposures and match rate by hour; by day where there are more than 62 days of hours."""
    rows = joined.rows("hours")
    step = 1 if len(rows) <= MAX_HOURS else 24
    sums: dict[int, list[int]] = {}
    for hour, *counts in rows:
        sums[hour // step] = [a + b for a, b in zip(sums.get(hour // step, [0, 0, 0]), counts, strict=True)]
    return [
        HourPoint(
            hour=EPOCH + timedelta(hours=place * step),
            exposures=exposures,
            outcomes=outcomes,
            match_rate=rate(matched, outcomes).value,
        )
        for place, (exposures, outcomes, matched) in sorted(sums.items())
    ]


def clicks_by_rank(joined: Joined, max_rank: int = 20) -> list[RankPoint]:
    """Impressions and attributed clicks at ranks 1 … ``max_rank``, as far as lists reach."""
    lengths = joined.rows("list_lengths")
    clicks = dict(joined.rows("clicks_by_rank"))
    total = sum(clicks.values())
    longest = max((length for length, _ in lengths), default=0)
    return [
        RankPoint(
            rank=rank,
            impressions=sum(n for length, n in lengths if length >= rank),
            clicks=clicks.get(rank, 0),
            share=rate(clicks.get(rank, 0), total).value,
        )
        for rank in range(1, min(longest, max_rank) + 1)
    ]
