"""From lists to impressions by item, in the engine: what coverage, novelty and Gini are made of.

They are counted by group of users too, so that each group can be left out in turn. The slices are numbered first: to
count by a number and an item costs half of what it does by all the words.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recsys.attribution.engine import Engine
from recsys.evaluation.metrics.reduce import sliced
from recsys.evaluation.metrics.spread import Counts, Shown
from recsys.evaluation.metrics.user_buckets import GROUPS, SOME_GROUPS, bucket

MOST_ROWS = 4_000_000
"""Rows that are held at a time."""
LONG = 2_000_000
"""Impressions of a log of which only some groups are left out in turn."""

Table = Mapping[str, npt.NDArray[Any]]


def count_impressions(engine: Engine, cuts: Sequence[int], columns: Sequence[str]) -> int:
    """Make the table ``impressions``: one row per (``cell``, ``user_group``, item), with ``n`` and ``n_k`` of ranks
    ≤ k; ``slice_cells``: the slices of each cell; and ``item_totals``: the items, numbered in alphabetical order. The
    number of groups that can be left out: what the others were shown is under one more group."""
    [(longest, total)] = engine.rows("SELECT coalesce(max(n_items), 0), coalesce(sum(n_items), 0) FROM exposures")
    kept = GROUPS if total <= LONG else SOME_GROUPS
    within = "".join(
        f", count(*) FILTER (WHERE place <= {k}) AS n_{k}" if k < longest else f", count(*) AS n_{k}" for k in cuts
    )
    # Numbering the ranks costs as much as the rest: only where a list is longer than a cut
    place = ", generate_subscripts(shown, 1) AS place" if any(k < longest for k in cuts) else ""
    slices = "".join(f", {column}" for column in columns)
    same = " AND ".join(f"e.{column} IS NOT DISTINCT FROM c.{column}" for column in columns) or "TRUE"
    engine.create(
        "slice_cells",
        f"SELECT CAST(row_number() OVER () AS INTEGER) AS cell{slices} "
        f"FROM (SELECT DISTINCT 0 AS zero{slices} FROM exposures) AS d",
    )
    engine.create(
        "impressions",
        f"SELECT cell_group // {kept + 1} AS cell, cell_group % {kept + 1} AS user_group, item_id, n"
        + "".join(f", n_{k}" for k in cuts)
        + f" FROM (SELECT cell_group, item_id, count(*) AS n{within} FROM "
        f"(SELECT cell_group, unnest(shown) AS item_id{place} FROM "
        f"(SELECT CAST(c.cell * {kept + 1} + least({bucket(GROUPS, 'e.user_id')}, {kept}) AS INTEGER) AS cell_group, "
        f"e.shown FROM exposures AS e INNER JOIN slice_cells AS c ON {same}) AS grouped) AS shown "
        "GROUP BY cell_group, item_id) AS counted",
    )
    engine.create(
        "item_totals",
        "SELECT item_id, row_number() OVER (ORDER BY item_id) - 1 AS item, CAST(sum(n) AS BIGINT) AS n "
        "FROM impressions GROUP BY item_id",
    )
    return kept


@dataclass(frozen=True)
class Group:
    """What group ``number`` of the users was shown: ``overall`` by number of the item, and by slice column and
    value."""

    number: int
    overall: Counts
    slices: dict[str | None, dict[str, Shown]]


@dataclass(frozen=True)
class Items:
    """The items: how many were shown, and of those that could have been. ``listed``: whether each stands in the
    catalogue (all without one)."""

    shown: int
    population: int
    listed: npt.NDArray[np.bool_]


def items(engine: Engine, *, catalogue: bool) -> Items:
    """The items that were shown, and that could have been."""
    if not catalogue:
        [(count,)] = engine.rows("SELECT count(*) FROM item_totals")
        return Items(count, count, np.ones(count, dtype=np.bool_))
    [(population,)] = engine.rows("SELECT count(DISTINCT item_id) FROM catalogue")
    listed = engine.columns(
        "SELECT count(c.item_id) > 0 AS listed, max(t.item) AS item FROM item_totals AS t "
        "LEFT JOIN catalogue AS c ON t.item_id = c.item_id GROUP BY t.item_id ORDER BY item"
    )["listed"]
    return Items(len(listed), population, np.asarray(listed, dtype=np.bool_))


def whole(engine: Engine, cuts: Sequence[int], columns: Sequence[str | None], count: int) -> Group:
    """What all users were shown, of ``count`` items. ``columns``: ``slice_n``, two of them with ``*`` between, or None
    for all exposures."""
    within = "".join(f", sum(i.n_{k})::BIGINT AS n_{k}" for k in cuts)
    table = engine.columns(
        f"SELECT i.cell, max(o.item) AS item, sum(i.n)::BIGINT AS n{within} FROM impressions AS i "
        "INNER JOIN item_totals AS o ON i.item_id = o.item_id GROUP BY i.cell, i.item_id"
    )
    return _group(-1, table, cuts, {column: _codes(engine, column) for column in columns}, count)


def groups(
    engine: Engine, cuts: Sequence[int], columns: Sequence[str | None], count: int, kept: int
) -> Iterator[Group]:
    """What each of ``kept`` groups of users was shown that was shown anything; else as ``whole``."""
    codes = {column: _codes(engine, column) for column in columns}
    within = "".join(f", i.n_{k}" for k in cuts)
    [(rows,)] = engine.rows(f"SELECT count(*) FROM impressions WHERE user_group < {kept}")
    step = max(1, min(kept, kept * MOST_ROWS // max(rows, 1)))
    for first in range(0, kept, step):
        table = engine.columns(
            f"SELECT i.cell, i.user_group, o.item, i.n{within} FROM impressions AS i "
            "INNER JOIN item_totals AS o ON i.item_id = o.item_id "
            f"WHERE i.user_group >= {first} AND i.user_group < {min(first + step, kept)}"
        )
        order = np.argsort(table["user_group"], kind="stable")
        ends = np.searchsorted(table["user_group"][order], range(first, first + step + 1))
        for number, (start, end) in enumerate(itertools.pairwise(ends.tolist()), first):
            if start < end:
                part = {name: values[order[start:end]] for name, values in table.items()}
                yield _group(number, part, cuts, codes, count)


def _codes(engine: Engine, column: str | None) -> tuple[Counts, list[str]]:
    """The slice value of each cell as a number, and the values. A value may be long, and is fetched once a cell."""
    rows = engine.rows(f"SELECT e.cell, {sliced(column)} AS slice FROM slice_cells AS e")
    numbers: dict[str, int] = {}
    found = np.zeros(max((cell for cell, _ in rows), default=0) + 1, dtype=np.int64)
    for cell, value in rows:
        found[cell] = numbers.setdefault(value, len(numbers))
    return found, list(numbers)


def _group(
    number: int, table: Table, cuts: Sequence[int], codes: Mapping[str | None, tuple[Counts, list[str]]], count: int
) -> Group:
    item = table["item"].astype(np.int64)
    overall = np.bincount(item, weights=table["n"], minlength=count).astype(np.int64)  # exact below 2⁵³
    slices = {}
    for column, (numbers, values) in codes.items():
        key = numbers[table["cell"]] * count + item
        order = np.argsort(key, kind="stable")
        starts = np.flatnonzero(np.diff(key[order], prepend=-1))
        key = key[order[starts]]
        sums = [
            np.add.reduceat(table[name][order].astype(np.int64), starts) for name in ("n", *map("n_{}".format, cuts))
        ]
        ends = np.searchsorted(key, np.arange(len(values) + 1) * count).tolist()
        slices[column] = {
            value: Shown(key[start:end] % count, sums[0][start:end],
                         {k: part[start:end] for k, part in zip(cuts, sums[1:], strict=True)})
            for value, (start, end) in zip(values, itertools.pairwise(ends), strict=True)
            if start < end
        }  # fmt: skip
    return Group(number, overall, slices)
