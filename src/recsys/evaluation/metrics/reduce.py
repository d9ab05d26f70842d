"""From relations to moments and counts, in the engine: one pass for the scores, one aggregate a slice key.

Scores are rounded to 2⁻⁴⁰ and summed as integers, so no figure depends on threads or on the order of rows.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import md5
from typing import Any

from recsys.attribution.engine import Engine
from recsys.contracts.report import UNKNOWN
from recsys.evaluation.metrics.base import GAIN_SCALE, Scored
from recsys.evaluation.metrics.intra_list_diversity import IntraListDiversity
from recsys.evaluation.metrics.user_buckets import MOST, ByBucket, bucket, by_bucket
from recsys.statistics.moments import SCALE, Moments

HALF_BITS = 20
HALF = 2**HALF_BITS
"""Squares of a user's sums are taken in two halves, so that 128 bits hold them at any size of log."""


@dataclass(frozen=True)
class ScoreMoments:
    """One metric in one slice: over all exposures, and over those with a relevant item."""

    overall: Moments
    responded: Moments


@dataclass(frozen=True)
class ScoreSums:
    """One slice: the moments of each score, and by bucket of users the exposures, those with a relevant item, and the
    sums of each score in units of 2⁻⁴⁰."""

    moments: list[ScoreMoments]
    buckets: ByBucket


def score(engine: Engine, metrics: Sequence[Scored], relevant: str = "relevant") -> None:
    """Make the table ``scores``: for each request with a relevant item, ``y_0`` … in units of 2⁻⁴⁰. ``relevant``: the
    relation that says which items are."""
    needs = {"n_relevant": "count(*)"}
    for metric in metrics:
        needs |= metric.needs
    aggregates = ", ".join(f"{expression} AS {name}" for name, expression in needs.items())
    scores = "".join(
        f", CAST(round(CAST(({metric.score}) AS DOUBLE) * {SCALE}) AS BIGINT) AS y_{place}"
        for place, metric in enumerate(metrics)
    )
    deepest = max((metric.k for metric in metrics if metric.discounts), default=0)
    source = _discounted(engine, relevant, deepest) if deepest else relevant
    engine.create(
        "scores",
        f"WITH aggregated AS (SELECT request_id, {aggregates} FROM {source} GROUP BY request_id) "
        f"SELECT request_id{scores} FROM aggregated",
    )


def _discounted(engine: Engine, relevant: str, deepest: int) -> str:
    """The relation with ``gain`` and ``ideal_gain``."""
    gains = [(rank, round(GAIN_SCALE / math.log2(rank + 1))) for rank in range(1, deepest + 1)]
    engine.load("discounts", {"item_rank": "BIGINT", "gain": "BIGINT"}, gains)
    return (
        f"(SELECT r.request_id, r.item_rank, r.place, d.gain, i.gain AS ideal_gain FROM {relevant} AS r "
        "LEFT JOIN discounts AS d ON r.item_rank = d.item_rank "
        "LEFT JOIN discounts AS i ON r.place = i.item_rank) AS discounted"
    )


def sum_by_user(engine: Engine, count: int, columns: Sequence[str]) -> None:
    """Make the table ``user_sums``: one row per (slices, user): exposures ``n``, those with a relevant item ``r``, the
    sums of the first ``count`` scores, and the user's ``bucket``."""
    slices = "".join(f"e.{column}, " for column in columns)
    by = "".join(f"{column}, " for column in columns)
    sums = "".join(f", coalesce(sum(s.y_{place}), 0) AS y_{place}" for place in range(count))
    named = "".join(f", y_{place}" for place in range(count))
    engine.create(
        "user_sums",
        f"SELECT {by}user_id, {bucket(MOST)} AS bucket, n, r{named} FROM ("
        f"SELECT {slices}e.user_id, count(*) AS n, count(s.request_id) AS r{sums} "
        "FROM exposures AS e LEFT JOIN scores AS s ON e.request_id = s.request_id AND NOT e.ambiguous "
        f"GROUP BY {slices}e.user_id) AS summed",
    )


def score_moments(engine: Engine, count: int, column: str | None) -> dict[str, list[ScoreMoments]]:
    """Slice value → moments of each score, users as units. ``column`` is ``slice_n``; None is one slice, ''."""
    return {value: sums.moments for value, sums in score_sums(engine, count, column).items()}


def score_sums(
    engine: Engine, count: int, column: str | None, reported: Sequence[str] | None = None
) -> dict[str, ScoreSums]:
    """Slice value → the moments of each score and its sums by bucket, of the values ``reported`` (None: of all).
    ``column`` is ``slice_n``, or two of them, ``slice_n*slice_m``; None is one slice, ''."""
    per_user = "".join(f", sum(e.y_{place}) AS y_{place}" for place in range(count))
    sums = "".join(f", {_sums(f'y_{place}')}" for place in range(count))
    kept = ""
    if reported is not None:
        engine.load("reported_slices", {"reported": "VARCHAR"}, [(value,) for value in reported])
        kept = f"INNER JOIN reported_slices AS k ON {sliced(column)} = k.reported"
    query = f"""
        WITH per_user AS (
            SELECT {sliced(column)} AS slice, e.user_id, max(e.bucket) AS bucket,
                sum(e.n)::HUGEINT AS n, sum(e.r)::HUGEINT AS r{per_user}
            FROM user_sums AS e {kept}
            GROUP BY slice, e.user_id
        )
        SELECT md5(slice), bucket, count(*), sum(n), sum(n * n), count(*) FILTER (WHERE r > 0), sum(r), sum(r * r){sums}
        FROM per_user GROUP BY slice, bucket
    """
    rows = _by_slice(engine.rows(query), slice_values(engine, column, "user_sums"))
    found = {value: _score_sums(part, count) for value, part in rows.items()}
    if column is None:
        found.setdefault("", _score_sums([], count))
    return found


def slice_values(engine: Engine, column: str | None, relation: str) -> dict[str, str]:
    """Slice values of a relation by their hashes, which stand for them in results of many rows: one may be long."""
    if column is None:
        return {_hash(""): ""}
    rows = engine.rows(f"SELECT DISTINCT {sliced(column)} AS slice FROM {relation} AS e")
    return {_hash(value): value for (value,) in rows}


def _hash(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()


def _by_slice(rows: Iterable[tuple[Any, ...]], values: Mapping[str, str]) -> dict[str, list[tuple[int, ...]]]:
    """Rows that begin with the hash of a slice value, by that value."""
    found: dict[str, list[tuple[int, ...]]] = {}
    for code, *row in rows:
        found.setdefault(values[code], []).append(tuple(row))
    return found


def _score_sums(rows: Sequence[tuple[int, ...]], count: int) -> ScoreSums:
    """Of rows (bucket, users, ΣN, ΣN², users with a relevant item, ΣR, ΣR², and six sums a score)."""
    width = 6 + 6 * count
    units, n, nn, units_r, r, rr, *rest = (
        map(sum, list(zip(*rows, strict=True))[1:]) if rows else itertools.repeat(0, width)
    )
    return ScoreSums(
        moments=[
            ScoreMoments(
                overall=Moments(units, y, n, _square(high, cross, low), yn, nn),
                responded=Moments(units_r, y, r, _square(high, cross, low), yr, rr),
            )
            for y, yn, yr, high, cross, low in _in_sixes(rest)
        ],
        buckets=by_bucket(((row[0], row[1], (row[2], row[5], *row[7::6])) for row in rows), 2 + count),
    )


def _sums(y: str) -> str:
    high, low = f"({y} >> {HALF_BITS})", f"({y} & {HALF - 1})"  # dividing 128 bits is slow; no sum is negative
    return f"sum({y}), sum({y} * n), sum({y} * r), sum({high} * {high}), sum({high} * {low}), sum({low} * {low})"


def _square(high: int, cross: int, low: int) -> int:
    return high * HALF * HALF + 2 * cross * HALF + low


def _in_sixes(values: list[int]) -> Iterator[list[int]]:
    return (values[at : at + 6] for at in range(0, len(values), 6))


def sliced(column: str | None) -> str:
    """SQL of the slice value of a row of ``e``: of one column, or of two that are crossed. What stands between two is
    a single ×, for one within a value is doubled."""
    if column is None:
        return "''"
    if "*" not in column:
        return f"coalesce(e.{column}, '{UNKNOWN}')"
    return " || ' × ' || ".join(f"replace({sliced(part)}, '×', '××')" for part in column.split("*"))


def diversity_sums(
    engine: Engine, metric: IntraListDiversity, column: str | None
) -> dict[str, tuple[Moments, ByBucket]]:
    """Slice value → moments of the lists' mean distances, over lists with two or more items whose tags are known; and
    the numbers of such lists and the sums of their distances by bucket of users."""
    query = f"""
        WITH lists AS (
            SELECT row_number() OVER () AS list_number, {sliced(column)} AS slice, e.user_id, e.shown
            FROM exposures AS e
        ),
        tagged AS (
            SELECT l.list_number, l.slice, l.user_id, l.place, c.tags
            FROM (SELECT list_number, slice, user_id, unnest(shown) AS item_id, generate_subscripts(shown, 1) AS place
                  FROM lists) AS l
            INNER JOIN catalogue AS c ON l.item_id = c.item_id AND l.place <= {metric.k} AND array_length(c.tags) > 0
        ),
        pairs AS (
            SELECT a.list_number, a.slice, a.user_id, array_length(array_intersect(a.tags, b.tags)) AS common,
                array_length(a.tags) + array_length(b.tags) AS size_sum
            FROM tagged AS a INNER JOIN tagged AS b ON a.list_number = b.list_number AND a.place < b.place
        ),
        scored AS (
            SELECT slice, user_id,
                CAST(sum(CAST(round((1 - common / CAST(size_sum - common AS DOUBLE)) * {SCALE}) AS BIGINT)) AS DOUBLE)
                    / count(*) AS y
            FROM pairs GROUP BY list_number, slice, user_id
        ),
        per_user AS (
            SELECT slice, user_id, count(*)::HUGEINT AS n, 0::HUGEINT AS r, sum(CAST(round(y) AS BIGINT)) AS y
            FROM scored GROUP BY slice, user_id
        )
        SELECT md5(slice), {bucket(MOST)} AS bucket, count(*), sum(n), sum(n * n), {_sums("y")}
        FROM per_user GROUP BY slice, bucket
    """
    rows = _by_slice(engine.rows(query), slice_values(engine, column, "exposures"))
    if column is None:
        rows.setdefault("", [])
    return {value: _diversity_sums(part) for value, part in rows.items()}


def _diversity_sums(rows: Sequence[tuple[int, ...]]) -> tuple[Moments, ByBucket]:
    """Of rows (bucket, users, ΣN, ΣN², and the six sums of the score)."""
    units, n, nn, y, yn, _, high, cross, low = map(sum, list(zip(*rows, strict=True))[1:]) if rows else [0] * 9
    return Moments(units, y, n, _square(high, cross, low), yn, nn), by_bucket(
        ((row[0], row[1], (row[2], row[4])) for row in rows), 2
    )
