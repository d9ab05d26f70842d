"""Whether the numbers of ``moments.v1`` can stand together: what logs say once, and files say twice, must be the same.

Nothing is concluded of a file that was damaged or made up: figures of it would be told like any others.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from recsys.attribution.experiment import SCALES
from recsys.attribution.quality import rate
from recsys.contracts.moments import Cell, Moments, Slices, SliceValue
from recsys.evaluation.experiment.columns import of_past
from recsys.evaluation.experiment.measures import EXPOSURES
from recsys.evaluation.experiment.moments_cells import buckets_of
from recsys.text import printable

LARGEST = 2**200
"""No sum over people is as large: squares of a thousand million sums of 10²⁴ millionths are not."""


def check_keys(raw: bytes) -> None:
    """ValueError for an object with the same key twice, of which readers choose differently."""

    def once(pairs: list[tuple[str, Any]]) -> None:
        keys = [key for key, _ in pairs]
        if len({*keys}) < len(keys):
            twice = next(key for place, key in enumerate(keys) if key in keys[:place])
            raise ValueError(f"the key {printable(twice)} stands twice in one object")

    json.loads(raw, object_pairs_hook=once)


def check(found: Moments) -> None:
    """ValueError, in words, for the first contradiction."""
    if any(abs(number) >= LARGEST for number in _numbers(msgspec.to_builtins(found))):
        raise ValueError("a number is larger than any sum")
    _check_users(found)
    _check_arms(found)
    _check_quality(found)
    _distinct("slice keys", [each.key for each in found.slices])
    for each in (*found.slices, found.days):
        _check_slices(each, found)


def _numbers(value: Any) -> Iterator[int]:
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list | tuple):
        if isinstance(value, int):
            yield value
        return
    for each in value:
        yield from _numbers(each)


def _distinct(what: str, names: Sequence[str]) -> None:
    if len({*names}) < len(names):
        raise ValueError(f"{what} stand in it twice")


def _same(what: str, counts: Iterable[int]) -> None:
    different = dict.fromkeys(counts)
    if len(different) > 1:
        raise ValueError(f"{what} contradict each other: {' and '.join(f'{count:,}' for count in different)}")


def _check_users(found: Moments) -> None:
    """Those of the part, and some where there are units."""
    occupied, shard = buckets_of(found.occupied), found.shard
    units = sum(own.units for own in found.who.arms.values())
    if bool(occupied) != bool(units) or len(occupied) > units:
        raise ValueError(f"{units:,} users cannot be in {len(occupied):,} buckets")
    if shard is None:
        return
    if shard.part > shard.of:
        raise ValueError(f"there is no part {shard.part} of {shard.of}")
    if any(bucket % shard.of != shard.part - 1 for bucket in occupied):
        raise ValueError(f"it has users that part {shard.part} of {shard.of} has not")


def _check_arms(found: Moments) -> None:
    who = found.who.arms
    if {*found.arms} != {*who}:
        raise ValueError("sums and counts are of other arms")
    if any({*table} - {*who} for table in (found.latency or {}, found.shown, found.errors_known)):
        raise ValueError("an arm has no units")
    if found.latency is None and not found.latency_withheld:
        raise ValueError("it does not say why there are no latencies")
    if not found.who.missing:
        raise ValueError("it does not say which rows are missing")
    _distinct("rows of a log that are missing", [each.what for each in found.who.missing])
    _distinct("other experiments", [each.other for each in found.who.crossed])
    for arm in who:
        _check_arm(arm, found)


def _check_arm(arm: str, found: Moments) -> None:
    told, own, name = found.arms[arm], found.who.arms[arm], f"arm {printable(arm)}"
    _check_cell(told, found.columns, found.products, name)
    if {*SCALES} - {*own.moments}:
        raise ValueError(f"{name} lacks figures")
    for six in (*own.moments.values(), *(table[arm] for table in (found.shown, found.matched.arms) if arm in table)):
        _check_squares(six[0], six[1], six[3], name)
        _check_squares(six[0], six[2], six[5], name)
    exposures = [own.exposures]
    exposures.append(
        sum(each.n for each in found.who.standings if (each.variant, each.standing) == (arm, "counts"))
    )  # fmt: skip
    if found.latency and arm in found.latency:
        exposures.append(sum(found.latency[arm].counts) + found.latency[arm].missing)
    if EXPOSURES in found.columns:
        place = found.columns.index(EXPOSURES)
        exposures.append(told.totals[place])
        _same(f"users of {name} who were shown something", [own.exposed, told.nonzero[place]])
    _same(f"exposures of {name}", exposures)
    _same(f"users of {name}", [told.units, own.units, *(six[0] for six in own.moments.values())])
    if found.errors_known.get(arm, 0) > own.exposures:
        raise ValueError(f"more exposures of {name} say whether they were an error than there are")


def _check_quality(found: Moments) -> None:
    quality = found.data_quality
    if any(number < 0 for number in _numbers(msgspec.to_builtins(quality))):
        raise ValueError("a count of data quality is below 0")
    for name, told in msgspec.structs.asdict(quality.rates).items():
        if told != rate(told.numerator, told.denominator) or told.numerator > told.denominator:
            raise ValueError(f"the {name} rate is not that of its parts")
    rates, fates = quality.rates, quality.fates
    _same("valid outcomes", [rates.valid.numerator, fates.rows - fates.invalid])
    _same("rows of outcomes", [rates.valid.denominator, fates.rows])


def _check_slices(found: Slices, whole: Moments) -> None:
    columns = [column for column in whole.columns if not of_past(column)]
    products = [pair for pair in whole.products if not any(map(of_past, pair))]
    _distinct(f"values of {printable(found.key)}", [each.value for each in found.values])
    for each in found.values:
        where = f"{printable(found.key)} {printable(each.value)}"
        for arm, cell in each.arms.items():
            _check_cell(cell, columns, products, where)
            if arm not in whole.arms or cell.units > whole.arms[arm].units:
                raise ValueError(f"{where} has users that arm {printable(arm)} has not")
        _check_buckets(each, where)


def _check_buckets(found: SliceValue, where: str) -> None:
    if found.buckets is None:
        return
    if {*found.buckets} != {*found.arms}:
        raise ValueError(f"sums of {where} by bucket are of other arms")
    for arm, table in found.buckets.items():
        cell = found.arms[arm]
        if any(users < 0 for users in table[0]):
            raise ValueError(f"users of {where} are fewer than none")
        if [sum(numbers) for numbers in table] != [cell.units, *cell.totals]:
            raise ValueError(f"sums of {where} by bucket do not add up to those of all buckets")


def _check_cell(cell: Cell, columns: Sequence[str], products: Sequence[tuple[str, str]], where: str) -> None:
    if len(cell.nonzero) != len(columns):
        raise ValueError(f"{where} has {len(cell.nonzero):,} counts of {len(columns):,} columns")
    totals = dict(zip(columns, cell.totals, strict=True))
    for (one, other), square in zip(products, cell.products, strict=True):
        if one == other and one in totals:
            _check_squares(cell.units, totals[one], square, where)
    if any(units > cell.units for units in cell.nonzero):
        raise ValueError(f"more users of {where} have a figure than there are")


def _check_squares(units: int, total: int, squares: int, where: str) -> None:
    """Squares are at least those of users who are all alike (Cauchy and Schwarz)."""
    if units * squares < total * total:
        raise ValueError(f"sums of {where} are too large for their squares")
