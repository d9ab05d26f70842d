"""From lists to impressions by item, in the engine: what coverage, novelty and Gini are made of.

They are counted by group of users too, so that each group can be left out in turn. The slices are numbered first: to
count by a number and an item costs half of what it does by all the words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recsys.attribution.engine import Engine
from recsys.evaluation.metrics.reduce import slice_values, sliced
from recsys.evaluation.metrics.spread import Spread
from recsys.evaluation.metrics.user_buckets import GROUPS, bucket

MOST_ROWS = 4_000_000
"""Rows that are held at a time."""

Table = Mapping[str, npt.NDArray[Any]]


def count_impressions(engine: Engine, cuts: Sequence[int], columns: Sequence[str]) -> None:
    """Make the table ``impressions``: one row per (``cell``, ``user_group``, item), with ``n`` and ``n_k`` of ranks
    ≤ k; ``slice_cells``: the slices of each cell; and ``item_totals``: the items, numbered in alphabetical order."""
    [(longest,)] = engine.rows("SELECT coalesce(max(n_items), 0) FROM exposures")
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
        f"SELECT cell_group // {GROUPS} AS cell, cell_group % {GROUPS} AS user_group, item_id, n"
        + "".join(f", n_{k}" for k in cuts)
        + f" FROM (SELECT cell_group, item_id, count(*) AS n{within} FROM "
        f"(SELECT cell_group, unnest(shown) AS item_id{place} FROM "
        f"(SELECT CAST(c.cell * {GROUPS} + {bucket(GROUPS, 'e.user_id')} AS INTEGER) AS cell_group, e.shown "
        f"FROM exposures AS e INNER JOIN slice_cells AS c ON {same}) AS grouped) AS shown "
        "GROUP BY cell_group, item_id) AS counted",
    )
    engine.create(
        "item_totals",
        "SELECT item_id, row_number() OVER (ORDER BY item_id) - 1 AS item, CAST(sum(n) AS BIGINT) AS n "
        "FROM impressions GROUP BY item_id",
    )


def spreads(engine: Engine, cuts: Sequence[int], column: str | None, *, catalogue: bool) -> dict[str, Spread]:
    """Slice value → how impressions spread over items there."""
    source = "catalogue" if catalogue else "item_totals"
    [(population,)] = engine.rows(f"SELECT count(DISTINCT item_id) FROM {source}")
    [(total,)] = engine.rows("SELECT coalesce(sum(n), 0) FROM item_totals")
    listed, named = (
        ("count(c.item_id) > 0", "LEFT JOIN catalogue AS c ON i.item_id = c.item_id") if catalogue else ("TRUE", "")
    )
    within = "".join(f", sum(i.n_{k})::BIGINT AS n_{k}" for k in cuts)
    table = engine.columns(f"""
        SELECT e.slice, max(o.item) AS item, sum(i.n)::BIGINT AS n, max(o.n)::BIGINT AS n_overall,
            {listed} AS listed{within}
        FROM impressions AS i INNER JOIN {_coded(column)} ON i.cell = e.cell
            INNER JOIN item_totals AS o ON i.item_id = o.item_id {named}
        GROUP BY e.slice, i.item_id ORDER BY slice, item
    """)
    found = _runs(table["slice"])
    values = slice_values(engine, column, "slice_cells")
    if column is None:
        found = found or {code: slice(0, 0) for code in values}
    return {
        values[code]: Spread(
            items=np.asarray(table["item"][rows], dtype=np.int64),
            shown=np.asarray(table["n"][rows]),
            shown_in_cut={k: np.asarray(table[f"n_{k}"][rows]) for k in cuts},
            shown_overall=np.asarray(table["n_overall"][rows]),
            total_overall=int(total),
            population=population,
            listed=np.asarray(table["listed"][rows]),
        )
        for code, rows in found.items()
    }


@dataclass(frozen=True)
class LeftOut:
    """What one group of users was shown: by number of the item, ``overall`` and by slice column and value; rows of
    ``item``, ``n`` and ``n_k``."""

    overall: Table
    slices: dict[str | None, dict[str, Table]]


def groups(engine: Engine, cuts: Sequence[int], columns: Sequence[str | None]) -> Iterator[LeftOut]:
    """What each group of users was shown that was shown anything; ``columns`` as ``spreads`` takes them."""
    within = "".join(f", sum(i.n_{k})::BIGINT AS n_{k}" for k in cuts)
    [(rows,)] = engine.rows("SELECT count(*) FROM impressions")
    step = max(1, min(GROUPS, GROUPS * MOST_ROWS // max(rows, 1)))
    values = {column: slice_values(engine, column, "slice_cells") for column in [None, *columns]}
    for first in range(0, GROUPS, step):
        parts = {
            column: _by_group(
                engine.columns(f"""
                    SELECT i.user_group, e.slice, max(o.item) AS item, sum(i.n)::BIGINT AS n{within}
                    FROM impressions AS i INNER JOIN {_coded(column)} ON i.cell = e.cell
                        INNER JOIN item_totals AS o ON i.item_id = o.item_id
                    WHERE i.user_group >= {first} AND i.user_group < {first + step}
                    GROUP BY i.user_group, e.slice, i.item_id ORDER BY user_group, slice, item
                """),
                values[column],
            )
            for column in values
        }
        for group, overall in parts[None].items():
            yield LeftOut(overall[""], {column: parts[column].get(group, {}) for column in columns})


def _coded(column: str | None) -> str:
    """The cells with the hash of their slice value, which may be long."""
    return f"(SELECT e.cell, md5({sliced(column)}) AS slice FROM slice_cells AS e) AS e"


def _by_group(table: Table, values: Mapping[str, str]) -> dict[int, dict[str, Table]]:
    found = {}
    for group, rows in _runs(table["user_group"]).items():
        part = {name: cells[rows] for name, cells in table.items()}
        found[int(group)] = {
            values[code]: {name: cells[place] for name, cells in part.items()}
            for code, place in _runs(part["slice"]).items()
        }
    return found


def _runs(values: npt.NDArray[Any]) -> dict[Any, slice]:
    """Where each value stands, of values that are sorted."""
    found = np.asarray(values, dtype=object)
    if not len(found):
        return {}
    starts = [0, *(np.flatnonzero(found[1:] != found[:-1]) + 1).tolist()]
    return {found[start]: slice(start, end) for start, end in zip(starts, [*starts[1:], len(found)], strict=True)}
