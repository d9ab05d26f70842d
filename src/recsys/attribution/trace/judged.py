"""The fates of a few rows, by the relations that give all rows theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET, Struct, field
from msgspec.structs import replace

from recsys.attribution.engine.choice import EngineChoice, opened
from recsys.attribution.join import join
from recsys.attribution.policy import Policy
from recsys.attribution.sources import DEFAULT_SLICE_KEYS, MAX_SLICE_KEYS, Accepted, AcceptedDataset
from recsys.attribution.trace.rows import Role, Row
from recsys.contracts.events import Assignment
from recsys.eventlog.convert import ANONYMOUS

_ROW = "recsys.trace.row"
"""The context key that carries a row's number through the relations, as one more slicing key. Exposures are numbered
so that of two copies the one that stands without this key stands with it: by what the relations look at after slices,
then, where all that is alike, by the whole record."""
_DIGITS = 9  # so that numbers are in the order of their texts
_FATES = """
SELECT s.{number}, f.fate, f.shown_rank, f.exposure_ts_us, f.user_mismatch, f.anonymous, f.conflicting
FROM outcome_fates AS f
INNER JOIN staged_outcomes AS s ON f.row_number = s.row_number
"""
_INFERRED = """
SELECT s.{number}, i.exposure_request_id, i.exposure_ts_us, i.shown_rank, i.n_exposures
FROM inferred_credits AS i
INNER JOIN staged_outcomes AS s ON i.row_number = s.row_number
ORDER BY i.row_number, i.place
"""
_LISTS = """
SELECT
    {number}, request_id, user_id, ts_us, shown, ambiguous, anonymous,
    repeated_rank, repeated_item, rank_gap, zero_propensity
FROM exposures
ORDER BY ts_us, user_id
"""


class Credit(Struct, frozen=True):
    """A list that an orphan is credited to, by a fallback; ``shared``: among how many lists."""

    request_id: str
    ts_us: int
    rank: int
    shared: int


class Fate(Struct, frozen=True, kw_only=True):
    """What the join says of one outcome. ``exposure_ts_us`` is that of its list, where it has one."""

    fate: str
    shown_rank: int | None
    exposure_ts_us: int | None
    user_mismatch: bool
    anonymous: bool
    conflicting: bool
    credits: tuple[Credit, ...] = ()


class StandingList(Struct, frozen=True, kw_only=True):
    """A list that is left when redeliveries are put together, with what is unusual in it. ``row`` is the copy that
    stands for all."""

    row: Row
    user_id: str
    ts_us: int
    shown: tuple[str, ...]
    ambiguous: bool
    anonymous: bool
    odd: tuple[str, ...]


class Judged(Struct, frozen=True):
    """``fates``: of each outcome, in the order of the rows. ``lists``: by request."""

    fates: list[Fate]
    lists: dict[str, list[StandingList]] = field(default_factory=dict)


def judge(
    rows: Mapping[Role, Sequence[Row]],
    aliases: dict[str, str],
    policy: Policy,
    scratch: Path,
    slice_keys: Sequence[str] = DEFAULT_SLICE_KEYS,
) -> Judged:
    """Join the rows, which are valid, as a log of their own. Slice keys tell which of two copies stands, where all else
    is alike."""
    rows = {**rows, "exposures": sorted(rows["exposures"], key=_order)}
    paths = {role: scratch / f"{role}.jsonl" for role in rows}
    for role, of_role in rows.items():
        _write(paths[role], of_role)
    logs = {role: Accepted(kind="jsonl", paths=[paths[role]], rows=len(rows[role]), invalid=0) for role in rows}
    dataset = AcceptedDataset(
        exposures=logs["exposures"],
        outcomes=logs["outcomes"],
        assignments=logs["assignments"],
        items=None,
        inputs=[],
        faults=[],
        aliases=aliases,
    )
    keys = [*slice_keys[: MAX_SLICE_KEYS - 1], _ROW]
    number = f"slice_{len(keys)}"
    with opened(EngineChoice(), scratch) as running:
        joined = join(running, dataset, policy, scratch=scratch, slice_keys=keys)
        fates = _fates(
            joined.engine.rows(_FATES.format(number=number)), joined.engine.rows(_INFERRED.format(number=number))
        )
        lists = _lists(joined.engine.rows(_LISTS.format(number=number)), rows["exposures"])
    return Judged([fates[place] for place in range(len(rows["outcomes"]))], lists)


def _order(row: Row) -> tuple[Any, ...]:
    """What decides between copies with the same slices, in the order of ``settled_exposures``, and last the record."""
    record: Any = row.record
    latency_ms = -1.0 if record.latency_ms is UNSET else record.latency_ms
    given = [each for item in record.items for each in (item.propensity, item.logging_propensity)]
    anonymous = (record.context or {}).get(ANONYMOUS) == "true"
    error = (record.error is not UNSET, record.error is True)
    return latency_ms, error, anonymous, 0 in given, msgspec.json.encode(record, order="deterministic")


def _write(path: Path, rows: Sequence[Row]) -> None:
    encode = msgspec.json.Encoder().encode
    with path.open("wb") as out:
        for place, row in enumerate(rows):
            record: Any = row.record
            if not isinstance(record, Assignment):
                context = {} if record.context is UNSET else record.context
                record = replace(record, context={**context, _ROW: f"{place:0{_DIGITS}}"})
            out.write(encode(record) + b"\n")


def _fates(found: Sequence[tuple[Any, ...]], inferred: Sequence[tuple[Any, ...]]) -> dict[int, Fate]:
    credited: dict[int, list[Credit]] = {}
    for place, request_id, ts_us, rank, shared in inferred:
        credited.setdefault(int(place), []).append(Credit(request_id, ts_us, rank, shared))
    return {
        int(place): Fate(
            fate=fate, shown_rank=rank, exposure_ts_us=ts_us, user_mismatch=mismatch, anonymous=anonymous,
            conflicting=conflicting, credits=tuple(credited.get(int(place), ())),
        )
        for place, fate, rank, ts_us, mismatch, anonymous, conflicting in found
    }  # fmt: skip


def _lists(found: Sequence[tuple[Any, ...]], rows: Sequence[Row]) -> dict[str, list[StandingList]]:
    lists: dict[str, list[StandingList]] = {}
    for place, request_id, user_id, ts_us, shown, ambiguous, anonymous, *flags in found:
        odd = ("repeated_rank", "repeated_item", "rank_gap", "zero_propensity")
        standing = StandingList(
            row=rows[int(place)], user_id=user_id, ts_us=ts_us, shown=tuple(shown), ambiguous=ambiguous,
            anonymous=anonymous,
            odd=tuple(name for name, is_so in zip(odd, flags, strict=True) if is_so),
        )  # fmt: skip
        lists.setdefault(request_id, []).append(standing)
    return lists
