"""What staging reads of the ``items`` of an exposure: parallel lists, which are cheaper than a list of structs."""

from __future__ import annotations

from collections.abc import Sequence

PROPENSITIES = ("propensity", "logging_propensity")
"""Of these a 0 is told: such an item could not have been shown."""
KIND = "propensity_kind"
"""The context key that says of what event a propensity is the probability."""


def with_propensity(propensities: Sequence[str]) -> str:
    """The select list of ``items`` with ``item_id``, ``rank`` as it is logged, and ``propensity``: the first of those
    ``propensities`` that the items have."""
    known = ", ".join(["NULL", *(f"x.{name}::DOUBLE" for name in propensities)])
    fields = f"item_id := x.item_id, rank := x.rank::INTEGER, propensity := coalesce({known})::DOUBLE"
    return f"list_transform(items, lambda x: struct_pack({fields})) AS items"


def item_columns(propensities: Sequence[str] = PROPENSITIES) -> str:
    """The select list of ``item_ids``, ``ranks`` and ``zero_propensity``; ``propensities`` that the items have."""
    zero = " OR ".join(f"x.{name} = 0" for name in propensities)
    any_zero = f"len(list_filter(items, lambda x: {zero})) > 0" if zero else "FALSE"
    return (
        "list_transform(items, lambda x: x.item_id) AS item_ids, "
        f"list_transform(items, lambda x: x.rank::INTEGER) AS ranks, {any_zero} AS zero_propensity"
    )
