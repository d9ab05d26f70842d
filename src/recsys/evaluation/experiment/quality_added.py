"""Whether logs can be believed: what is said of two disjoint sets of rows, added."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from msgspec.structs import asdict, fields

from recsys.attribution.quality import rate
from recsys.contracts.report import DataQuality, ExposureQuality, Fates, Rate, Rates

COUNTS = tuple(part.name for part in fields(DataQuality) if part.type is int)


def quality_added(one: DataQuality, other: DataQuality) -> DataQuality:
    """Of rows of disjoint sets of users; rates by slice are not kept."""
    return DataQuality(
        exposures=_exposures(one.exposures, other.exposures),
        fates=Fates(**_counts(asdict(one.fates), asdict(other.fates))),
        rates=_rates(one.rates, other.rates),
        missing_keys=_counts(one.missing_keys, other.missing_keys),
        gaps=sorted([*one.gaps, *other.gaps], key=lambda gap: (gap.log, gap.file, gap.first, gap.last, gap.reason)),
        **{name: getattr(one, name) + getattr(other, name) for name in COUNTS},
    )


def _counts(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    total = Counter(one)
    total.update(other)
    return dict(total)


def _rates(one: Rates, other: Rates) -> Rates:
    pairs = {name: (value, getattr(other, name)) for name, value in asdict(one).items()}
    return Rates(**{name: _rate(*pair) for name, pair in pairs.items()})


def _rate(one: Rate, other: Rate) -> Rate:
    return rate(one.numerator + other.numerator, one.denominator + other.denominator)


def _exposures(one: ExposureQuality, other: ExposureQuality) -> ExposureQuality:
    counts = [
        {name: value for name, value in asdict(each).items() if name not in ("first_ts", "last_ts")}
        for each in (one, other)
    ]
    return ExposureQuality(
        **_counts(*counts),
        first_ts=min(_known(one.first_ts, other.first_ts), default=None),
        last_ts=max(_known(one.last_ts, other.last_ts), default=None),
    )


def _known(*instants: datetime | None) -> list[datetime]:
    return [instant for instant in instants if instant is not None]
