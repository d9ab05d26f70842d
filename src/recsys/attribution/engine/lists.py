"""What staging reads of the ``items`` of an exposure: parallel lists, which are cheaper than a list of structs."""

from __future__ import annotations

from collections.abc import Sequence

PROPENSITIES = ("propensity", "logging_propensity")
"""Of these a 0 is told: such an item could not have been shown."""


def item_columns(propensities: Sequence[str] = PROPENSITIES) -> str:
    """The select list of ``item_ids``, ``ranks`` and ``zero_propensity``; ``propensities`` that the items have."""
    zero = " OR ".join(f"x.{name} = 0" for name in propensities)
    any_zero = f"len(list_filter(items, lambda x: {zero})) > 0" if zero else "FALSE"
    return (
        "list_transform(items, lambda x: x.item_id) AS item_ids, "
        f"list_transform(items, lambda x: x.rank::INTEGER) AS ranks, {any_zero} AS zero_propensity"
    )
