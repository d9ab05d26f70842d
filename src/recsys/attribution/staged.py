"""The tables that the relations begin with, column by column: what an engine makes of the logs, and of the policy."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from recsys.attribution.experiment import COLUMN_TYPES
from recsys.attribution.policy import Policy
from recsys.attribution.sources import MAX_SLICE_KEYS

Columns = Mapping[str, tuple[str, str]]
"""Column → its type in DuckDB's words, and what stands in it."""

EXPERIMENT = "experiment"
TS = "the instant, in microseconds since 1970-01-01T00:00:00Z"
_SLICES = {
    f"slice_{n}": (
        "VARCHAR",
        "the context's value of the slice key of this place; NULL where there is none" if n == 1 else "",
    )
    for n in range(1, MAX_SLICE_KEYS + 1)
}
_POLICY = {
    "tolerance_us": "how much earlier than its exposure an outcome may be; NULL is without limit",
    "click_window_us": "how much later a click may be; NULL is without limit",
    "conversion_window_us": "the same for conversions",
    "click_fallback_us": "how far back a click may be credited by user and item; NULL: it is not",
    "conversion_fallback_us": "the same for conversions",
    "not_in_list": "refuse or count",
    "user_mismatch": "count or refuse",
    "touch": "every or first",
    "fallback": "none or user_item",
    "credit": "last, first or all exposures that fit; NULL without a fallback",
}
_EXPERIMENT = {
    "experiment_id": "as the assignments name it",
    "scope": "request: an exposure needs an assignment of its own; user: its user's is enough",
    "as_of_us": "nothing later is looked at; NULL is the end of the log",
    "window_us": "the longest window of the policy that is limited, else 0",
    "tolerance_us": "how much earlier than its assignment an exposure may be",
}

TABLES: Mapping[str, tuple[str, Columns]] = MappingProxyType(
    {
        "staged_exposures": (
            "one row per exposure in the log, redeliveries and all",
            {
                "request_id": ("VARCHAR", ""),
                "user_id": ("VARCHAR", ""),
                "ts_us": ("BIGINT", TS),
                "shown": ("VARCHAR[]", "the item ids by (rank, item_id), each at its first place only"),
                "odd_pairs": (
                    "VARCHAR",
                    "NULL where ranks count 1, 2, … and no item is repeated; else all (rank, item_id), as text",
                ),
                "n_items": ("INTEGER", "how many items shown has"),
                "repeated_rank": ("BOOLEAN", "two items have one rank"),
                "repeated_item": ("BOOLEAN", "an item stands there twice"),
                "rank_gap": ("BOOLEAN", "a rank between 1 and the last is missing"),
                "zero_propensity": ("BOOLEAN", "an item has a propensity or logging_propensity of 0"),
                "latency_ms": ("DOUBLE", "NULL where it is not logged"),
                "error": ("BOOLEAN", "NULL where it is not logged"),
                "anonymous": ("BOOLEAN", 'the context says anonymous: "true"'),
                **_SLICES,
            },
        ),
        "staged_outcomes": (
            "one row per valid outcome in the log",
            {
                "row_number": ("BIGINT", "any number that no other row has"),
                "request_id": ("VARCHAR", ""),
                "user_id": ("VARCHAR", ""),
                "item_id": ("VARCHAR", ""),
                "event_type": ("VARCHAR", "click or conversion"),
                "ts_us": ("BIGINT", TS),
                "value": ("DOUBLE", "NULL where there is none"),
                "event_id": ("VARCHAR", "NULL where there is none"),
                **_SLICES,
            },
        ),
        "staged_assignments": (
            "one row per assignment in the log; without one, no row",
            {
                "experiment_id": ("VARCHAR", ""),
                "variant": ("VARCHAR", ""),
                "request_id": ("VARCHAR", ""),
                "user_id": ("VARCHAR", ""),
                "ts_us": ("BIGINT", TS),
                **_SLICES,
            },
        ),
        "policy": (
            "one row: the choices of the attribution",
            {column: (kind, _POLICY.get(column, "")) for column, kind in Policy().table()[0].items()},
        ),
        EXPERIMENT: (
            "one row: the experiment that is looked at",
            {column: (kind, _EXPERIMENT.get(column, "")) for column, kind in COLUMN_TYPES.items()},
        ),
    }
)
"""Table → its grain, and its columns in order: those of ``relations.STAGED``, and the parameters of an experiment."""
