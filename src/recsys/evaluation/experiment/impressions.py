"""How often each item was shown in each arm, by group of users: what coverage, novelty and Gini are compared on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recsys.evaluation.experiment.settle import Settled

GROUPS = 32


@dataclass(frozen=True)
class Impressions:
    """``items``: m ids in order, of all that any arm was shown. ``arms``: arm → cut → int64[groups × m] impressions
    within the first k ranks; cut None is all ranks. ``population``: how many items could have been shown: the
    catalogue's, else ``items``. ``listed``: bool[m], whether the item stands in the catalogue (all without one)."""

    items: tuple[str, ...]
    arms: dict[str, dict[int | None, npt.NDArray[np.int64]]]
    population: int
    listed: npt.NDArray[np.bool_]


def impressions(settled: Settled, arms: Sequence[str], *, catalogue: bool = False) -> Impressions:
    """Over the exposures that count. ``catalogue``: whether there is a table of that name."""
    cuts = sorted(settled.needs.cuts)
    within = "".join(f", count(*) FILTER (WHERE l.place <= {k}) AS n_{k}" for k in cuts)
    found = settled.engine.columns(
        "WITH listed AS (SELECT c.user_id, e.shown FROM exposures AS e "
        "INNER JOIN experiment_exposures AS c ON e.request_id = c.request_id WHERE c.standing = 'counts'), "
        "places AS (SELECT user_id, unnest(shown) AS item_id, generate_subscripts(shown, 1) AS place FROM listed) "
        f"SELECT u.variant, u.fine % {GROUPS} AS part, l.item_id, count(*) AS n{within} "
        "FROM places AS l INNER JOIN unit_values AS u ON l.user_id = u.user_id "
        f"GROUP BY u.variant, u.fine % {GROUPS}, l.item_id"
    )
    names = np.asarray(found["variant"], dtype=object)
    items, column = np.unique(np.asarray(found["item_id"], dtype=object), return_inverse=True)
    parts = found["part"].astype(np.int64)
    tables: dict[str, dict[int | None, npt.NDArray[np.int64]]] = {}
    for arm in arms:
        own = names == arm
        tables[arm] = {}
        for cut in (None, *cuts):
            table = np.zeros((GROUPS, len(items)), dtype=np.int64)
            table[parts[own], column[own]] = found["n" if cut is None else f"n_{cut}"][own]
            tables[arm][cut] = table
    listed, population = _catalogue(settled, items) if catalogue else (np.ones(len(items), dtype=bool), len(items))
    return Impressions(tuple(items.tolist()), tables, population, listed)


def _catalogue(settled: Settled, items: npt.NDArray) -> tuple[npt.NDArray[np.bool_], int]:
    known = {item for (item,) in settled.engine.rows("SELECT DISTINCT item_id FROM catalogue")}
    return np.array([item in known for item in items], dtype=bool), len(known)
