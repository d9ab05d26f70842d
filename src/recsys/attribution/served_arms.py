"""What was shown beside what was assigned: lists that say in their context which variant they are of.

Where the two differ one of the logs is wrong, or the variant was not delivered; in both cases an arm's figures are in
part those of another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from recsys.contracts.trial import Served

if TYPE_CHECKING:
    from recsys.attribution.join import Joined

EXPERIMENT_KEY, VARIANT_KEY = "experiment_id", "experiment_variant"


def served(joined: Joined) -> list[Served] | None:
    """Of the exposures that count and name the experiment with a variant, in order of the arms; None where the two keys
    were not staged. The relations of the experiment are there.

    A name that is no arm of the experiment is not told: anything may stand there.
    """
    keys = joined.slice_keys
    if EXPERIMENT_KEY not in keys or VARIANT_KEY not in keys:
        return None
    named, shown = (f"e.slice_{keys.index(key) + 1}" for key in (EXPERIMENT_KEY, VARIANT_KEY))
    rows = joined.engine.rows(
        "WITH arms AS (SELECT DISTINCT variant FROM experiment_units), "
        "told AS (SELECT coalesce(e.assigned_variant, e.variant) AS assigned, k.variant AS shown "
        "FROM experiment_exposures AS e CROSS JOIN experiment AS x "
        f"LEFT JOIN arms AS k ON {shown} = k.variant "
        f"WHERE e.standing = 'counts' AND {named} = x.experiment_id AND {shown} IS NOT NULL) "
        "SELECT assigned, shown, count(*) FROM told GROUP BY assigned, shown"
    )
    found = [Served(assigned=assigned, shown=arm, exposures=n) for assigned, arm, n in rows]
    return sorted(found, key=lambda each: (each.assigned, each.shown is None, each.shown or ""))


def otherwise(found: Sequence[Served]) -> list[Served]:
    """Those whose variant is not the one that was assigned."""
    return [each for each in found if each.shown != each.assigned]


def counts(found: Sequence[Served] | None) -> tuple[int, int]:
    """Exposures that name another variant than was assigned, and all that name one."""
    return sum(each.exposures for each in otherwise(found or [])), sum(each.exposures for each in found or [])
