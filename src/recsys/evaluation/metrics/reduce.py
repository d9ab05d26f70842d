"""From relations to moments and counts, in the engine: one pass for the scores, one aggregate a slice key.

Scores are rounded to 2⁻⁴⁰ and summed as integers, so no figure depends on threads or on the order of rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from recsys.attribution.engine import Engine
from recsys.contracts.report import UNKNOWN
from recsys.evaluation.metrics.base import GAIN_SCALE, Scored
from recsys.evaluation.metrics.intra_list_diversity import IntraListDiversity
from recsys.evaluation.metrics.spread import Spread
from recsys.statistics.moments import SCALE, Moments

HALF_BITS = 20
HALF = 2**HALF_BITS
"""Squares of a user's sums are taken in two halves, so that 128 bits hold them at any size of log."""


@dataclass(frozen=True)
class ScoreMoments:
    """One metric in one slice: over all exposures, and over those with a relevant item."""

    overall: Moments
    responded: Moments


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
    """Make the table ``user_sums``: one row per (slices, user): exposures ``n``, those with a relevant item ``r``, and
    the sums of the first ``count`` scores."""
    slices = "".join(f"e.{column}, " for column in columns)
    sums = "".join(f", coalesce(sum(s.y_{place}), 0) AS y_{place}" for place in range(count))
    engine.create(
        "user_sums",
        f"SELECT {slices}e.user_id, count(*) AS n, count(s.request_id) AS r{sums} "
        "FROM exposures AS e LEFT JOIN scores AS s ON e.request_id = s.request_id AND NOT e.ambiguous "
        f"GROUP BY {slices}e.user_id",
    )


def score_moments(engine: Engine, count: int, column: str | None) -> dict[str, list[ScoreMoments]]:
    """Slice value → moments of each score, users as units. ``column`` is ``slice_n``; None is one slice, ''."""
    per_user = "".join(f", sum(e.y_{place}) AS y_{place}" for place in range(count))
    sums = "".join(f", {_sums(f'y_{place}')}" for place in range(count))
    query = f"""
        WITH per_user AS (
            SELECT {_value(column)} AS slice, e.user_id,
                sum(e.n)::HUGEINT AS n, sum(e.r)::HUGEINT AS r{per_user}
            FROM user_sums AS e
            GROUP BY slice, e.user_id
        )
        SELECT slice, count(*), sum(n), sum(n * n), count(*) FILTER (WHERE r > 0), sum(r), sum(r * r){sums}
        FROM per_user GROUP BY slice
    """
    found = {}
    for slice_value, units, n, nn, units_r, r, rr, *rest in engine.rows(query):
        found[slice_value] = [
            ScoreMoments(
                overall=Moments(units, y, n, _square(high, cross, low), yn, nn),
                responded=Moments(units_r, y, r, _square(high, cross, low), yr, rr),
            )
            for y, yn, yr, high, cross, low in _in_sixes(rest)
        ]
    if column is None:
        found.setdefault("", [ScoreMoments(Moments(), Moments())] * count)
    return found


def _sums(y: str) -> str:
    high, low = f"({y} >> {HALF_BITS})", f"({y} & {HALF - 1})"  # dividing 128 bits is slow; no sum is negative
    return f"sum({y}), sum({y} * n), sum({y} * r), sum({high} * {high}), sum({high} * {low}), sum({low} * {low})"


def _square(high: int, cross: int, low: int) -> int:
    return high * HALF * HALF + 2 * cross * HALF + low


def _in_sixes(values: list[int]) -> Iterator[list[int]]:
    return (values[at : at + 6] for at in range(0, len(values), 6))


def _value(column: str | None) -> str:
    return "''" if column is None else f"coalesce(e.{column}, '{UNKNOWN}')"


def count_impressions(engine: Engine, cuts: Sequence[int], columns: Sequence[str]) -> None:
    """Make the table ``impressions``: one row per (slices, item), with ``n`` and ``n_k`` of ranks ≤ k."""
    [(longest,)] = engine.rows("SELECT coalesce(max(n_items), 0) FROM exposures")
    within = "".join(
        f", count(*) FILTER (WHERE place <= {k}) AS n_{k}" if k < longest else f", count(*) AS n_{k}" for k in cuts
    )
    slices = "".join(f"{column}, " for column in columns)
    # Numbering the ranks costs as much as the rest: only where a list is longer than a cut
    place = ", generate_subscripts(shown, 1) AS place" if any(k < longest for k in cuts) else ""
    engine.create(
        "impressions",
        f"SELECT {slices}item_id, count(*) AS n{within} FROM "
        f"(SELECT {slices}unnest(shown) AS item_id{place} FROM exposures) GROUP BY {slices}item_id",
    )


def spreads(engine: Engine, cuts: Sequence[int], column: str | None, *, catalogue: bool) -> dict[str, Spread]:
    """Slice value → how impressions spread over items there."""
    source = "catalogue" if catalogue else "impressions"
    [(population,)] = engine.rows(f"SELECT count(DISTINCT item_id) FROM {source}")
    [(total,)] = engine.rows("SELECT coalesce(sum(n), 0) FROM impressions")
    listed, named = (
        ("count(c.item_id) > 0", "LEFT JOIN catalogue AS c ON e.item_id = c.item_id") if catalogue else ("TRUE", "")
    )
    within = "".join(f", sum(e.n_{k})::BIGINT AS n_{k}" for k in cuts)
    table = engine.columns(f"""
        WITH overall AS (SELECT item_id, sum(n) AS n FROM impressions GROUP BY item_id)
        SELECT {_value(column)} AS slice, sum(e.n)::BIGINT AS n, max(o.n)::BIGINT AS n_overall,
            {listed} AS listed{within}
        FROM impressions AS e INNER JOIN overall AS o ON e.item_id = o.item_id {named}
        GROUP BY slice, e.item_id ORDER BY slice
    """)
    # Kept as objects: an array of fixed width would take the room of the longest value for each, and cut NULs off
    found = np.asarray(table["slice"], dtype=object)
    starts = [place for place in range(len(found)) if place == 0 or found[place] != found[place - 1]]
    ends = [*starts[1:], len(found)]
    slices = {found[start]: slice(start, end) for start, end in zip(starts, ends, strict=True)} if starts else {}
    if column is None:
        slices.setdefault("", slice(0, 0))
    return {
        value: Spread(
            shown=np.asarray(table["n"][rows]),
            shown_in_cut={k: np.asarray(table[f"n_{k}"][rows]) for k in cuts},
            shown_overall=np.asarray(table["n_overall"][rows]),
            total_overall=int(total),
            population=population,
            listed=np.asarray(table["listed"][rows]),
        )
        for value, rows in slices.items()
    }


def diversity_moments(engine: Engine, metric: IntraListDiversity, column: str | None) -> dict[str, Moments]:
    """Slice value → moments of the lists' mean distances, over lists with two or more items whose tags are known."""
    query = f"""
        WITH lists AS (
            SELECT row_number() OVER () AS list_number, {_value(column)} AS slice, e.user_id, e.shown
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
        SELECT slice, count(*), sum(n), sum(n * n), {_sums("y")} FROM per_user GROUP BY slice
    """
    found = {
        slice_value: Moments(units, y, n, _square(high, cross, low), yn, nn)
        for slice_value, units, n, nn, y, yn, _, high, cross, low in engine.rows(query)
    }
    if column is None:
        found.setdefault("", Moments())
    return found
