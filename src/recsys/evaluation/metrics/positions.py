"""From items at ranks to counts by stratum, rank and group of users, in the engine: what position bias is read from.

A stratum is an item for a query; a query is the values of all slice keys. Of an impression whose propensity lies
strictly between 0 and 1, 1/propensity is summed in whole units of 2⁻²⁰, so no sum depends on the order of rows. Ranks
are those that are logged, which propensities are about. An item that stands in one list twice, and a request with
several lists, count nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from recsys.attribution.engine import Engine
from recsys.evaluation.metrics.reduce import sliced
from recsys.evaluation.metrics.user_buckets import GROUPS, bucket

MOST_RANKS = 50
"""Ranks that are looked at, from the first."""
LEAST_PROPENSITY = 2.0**-30
"""What is less likely weighs too much to be counted."""
MARGINAL = "marginal"
MOST_CELLS = 4_000_000
"""Cells of stratum, rank and group of users that are held at a time."""
UNIT = 2**20

Cells = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]


@dataclass(frozen=True)
class Kind:
    """Items with propensities of one kind: how many, and of how many the propensity is no certainty."""

    name: str
    known: int
    uncertain: int


def kinds(engine: Engine) -> list[Kind]:
    """Make the table ``position_items`` of ``item_propensities``: one row per (request, item); what kinds of
    propensities it has, in the order of their names."""
    same = " AND ".join(
        f"coalesce(min({column}), {none}) = coalesce(max({column}), {none})"
        for column, none in (("rank", "0"), ("propensity", "-1"), ("kind", "''"))
    )
    engine.create(
        "position_items",
        "SELECT request_id, item_id, min(rank) AS item_rank, min(propensity) AS propensity, "
        f"coalesce(min(kind), '{MARGINAL}') AS kind FROM item_propensities GROUP BY request_id, item_id HAVING {same}",
    )
    rows = engine.rows(
        f"SELECT kind, count(*), count(*) FILTER (WHERE {_uncertain()}) FROM position_items "
        "WHERE propensity IS NOT NULL GROUP BY kind ORDER BY kind"
    )
    return [Kind(*row) for row in rows]


def _uncertain() -> str:
    return f"propensity >= {LEAST_PROPENSITY!r} AND propensity < 1"


def count(engine: Engine, slice_keys: int) -> None:
    """Make the table ``position_cells`` of (query, item, rank, group of users): impressions ``n_all`` and their clicks,
    and of those whose rank was uncertain ``n``, ``weights`` and ``weighted_clicks``."""
    columns = [f"slice_{number}" for number in range(1, slice_keys + 1)]
    queries = "".join(f", {sliced(column)} AS {column}" for column in columns)
    by = "".join(f"e.{column}, " for column in columns)
    usable = f"i.kind = '{MARGINAL}' AND i.propensity >= {LEAST_PROPENSITY!r} AND i.propensity < 1"
    engine.create(
        "position_cells",
        f"WITH lists AS (SELECT e.request_id, {bucket(GROUPS, 'e.user_id')} AS user_group{queries} "
        "FROM exposures AS e WHERE NOT e.ambiguous), "
        "clicked AS (SELECT request_id, item_id, count(*) AS clicks FROM outcome_fates "
        "WHERE fate = 'attributed' AND event_type = 'click' AND shown_rank IS NOT NULL GROUP BY request_id, item_id), "
        "items AS (SELECT i.request_id, i.item_id, i.item_rank, coalesce(c.clicks, 0) AS clicks, "
        f"CASE WHEN {usable} THEN CAST(round({UNIT} / i.propensity) AS BIGINT) END AS weight "
        "FROM position_items AS i LEFT JOIN clicked AS c ON i.request_id = c.request_id AND i.item_id = c.item_id "
        f"WHERE i.item_rank <= {MOST_RANKS}) "
        f"SELECT {by}i.item_id, i.item_rank, e.user_group, count(*) AS n_all, sum(i.clicks)::BIGINT AS clicks, "
        "count(i.weight) AS n, coalesce(sum(i.weight::HUGEINT), 0) AS weights, "
        "coalesce(sum(i.weight::HUGEINT * i.clicks), 0) AS weighted_clicks "
        "FROM items AS i INNER JOIN lists AS e ON i.request_id = e.request_id "
        f"GROUP BY {by}i.item_id, i.item_rank, e.user_group",
    )
    _number(engine, [*columns, "item_id"])


def _number(engine: Engine, stratum: list[str]) -> None:
    """Make the table ``position_strata``: the cells of strata at two ranks or more, with the number of the stratum."""
    named = ", ".join(stratum)
    same = " AND ".join(f"c.{column} = s.{column}" for column in stratum)
    engine.create(
        "position_strata",
        f"WITH several AS (SELECT {named} FROM position_cells WHERE n > 0 GROUP BY {named} "
        "HAVING min(item_rank) < max(item_rank)), "
        f"strata AS (SELECT {named}, row_number() OVER (ORDER BY {named}) - 1 AS stratum FROM several) "
        "SELECT s.stratum, c.item_rank, c.user_group, c.n, CAST(c.weights AS DOUBLE) AS weights, "
        "CAST(c.weighted_clicks AS DOUBLE) AS weighted_clicks "
        f"FROM position_cells AS c INNER JOIN strata AS s ON {same} WHERE c.n > 0",
    )


def strata(engine: Engine) -> Iterator[Cells]:
    """Impressions, weights and weighted clicks of some strata at a time, each [strata, ranks, groups of users]."""
    [(total, ranks)] = engine.rows(
        "SELECT coalesce(max(stratum), -1) + 1, coalesce(max(item_rank), 0) FROM position_strata"
    )
    step = max(1, MOST_CELLS // max(1, ranks * GROUPS))
    for first in range(0, total, step):
        size = min(step, total - first)
        found = engine.columns(
            "SELECT stratum, item_rank, user_group, n, weights, weighted_clicks FROM position_strata "
            f"WHERE stratum >= {first} AND stratum < {first + size}"
        )
        place = (found["stratum"].astype(int) - first, found["item_rank"].astype(int) - 1,
                 found["user_group"].astype(int))  # fmt: skip
        yield tuple(  # type: ignore[misc] - three, as the names are
            _filled((size, ranks, GROUPS), place, found[name]) for name in ("n", "weights", "weighted_clicks")
        )


def totals(engine: Engine) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """All impressions and their clicks, whether chance was in their rank or not, each [ranks, groups of users]."""
    found = engine.columns(
        "SELECT item_rank, user_group, sum(n_all)::BIGINT AS n, sum(clicks)::BIGINT AS clicks FROM position_cells "
        "GROUP BY item_rank, user_group"
    )
    place = found["item_rank"].astype(int) - 1, found["user_group"].astype(int)
    return (
        _filled((MOST_RANKS, GROUPS), place, found["n"]),
        _filled((MOST_RANKS, GROUPS), place, found["clicks"]),
    )


def _filled(shape: tuple[int, ...], place: tuple[Any, ...], values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    filled = np.zeros(shape)
    filled[place] = values
    return filled
