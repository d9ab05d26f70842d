"""The staged tables in Spark's SQL: what ``duckdb`` makes of the logs in DuckDB's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recsys.attribution import staged
from recsys.attribution.engine.duckdb import ANONYMOUS
from recsys.attribution.engine.spark_logs import schema_of
from recsys.attribution.sources import MAX_SLICE_KEYS

SLICES = [f"slice_{number}" for number in range(1, MAX_SLICE_KEYS + 1)]

_EXPOSURES = f"""
WITH judged AS (
    SELECT
        *,
        size(item_ids) AS n,
        CASE
            WHEN size(item_ids) = 0 THEN TRUE
            WHEN ranks <> sequence(1, size(item_ids)) THEN FALSE
            ELSE size(array_distinct(item_ids)) = size(item_ids)
        END AS usual
    FROM {{source}}
),
sorted AS (
    SELECT
        *,
        CASE
            WHEN NOT usual
            THEN array_sort(zip_with(ranks, item_ids, (r, i) -> named_struct('rank', r, 'item_id', i)))
        END AS pairs
    FROM judged
),
closed AS (
    SELECT
        *,
        CASE WHEN usual THEN item_ids ELSE array_distinct(transform(pairs, x -> x.item_id)) END AS shown
    FROM sorted
)
SELECT
    request_id,
    user_id,
    ts_us,
    shown,
    CASE
        WHEN usual OR (transform(pairs, x -> x.rank) = sequence(1, n) AND size(shown) = n) THEN NULL
        ELSE to_json(pairs)
    END AS odd_pairs,
    size(shown) AS n_items,
    CASE WHEN usual THEN FALSE ELSE size(array_distinct(ranks)) < n END AS repeated_rank,
    size(shown) < n AS repeated_item,
    CASE WHEN usual THEN FALSE ELSE size(array_distinct(ranks)) < element_at(pairs, -1).rank END AS rank_gap,
    zero_propensity,
    latency_ms,
    error,
    coalesce(context['{ANONYMOUS}'] = 'true', FALSE) AS anonymous,
    {", ".join(SLICES)}
FROM closed
"""

_OUTCOMES = f"""
SELECT
    monotonically_increasing_id() AS row_number,
    request_id, user_id, item_id, event_type, ts_us, value, event_id, {", ".join(SLICES)}
FROM {{source}}
"""

_ASSIGNMENTS = f"""
SELECT experiment_id, variant, request_id, user_id, ts_us, {", ".join(SLICES)} FROM {{source}}
"""

QUERIES: Mapping[str, str] = {"exposures": _EXPOSURES, "outcomes": _OUTCOMES, "assignments": _ASSIGNMENTS}
"""What is staged of each log; ``source`` is the log with its slice columns."""
OWN: Mapping[str, Mapping[str, str]] = {
    "assignments": {"experiment_id": "experiment_id", "experiment_variant": "variant"}
}
"""Keys that are columns of a row where its context does not have them."""

CONTEXTS = """
SELECT entry.key AS key, entry.value AS value, count(*) AS n
FROM (SELECT explode(map_entries(context)) AS entry FROM {source}) AS entries
GROUP BY entry.key, entry.value
"""

PROPENSITIES = """
WITH lists AS (
    SELECT
        request_id, ts_us, size(items) AS n_items,
        transform(items, x -> coalesce(x.logging_propensity, x.propensity)) AS known,
        filter(items, x -> x.logging_propensity <> x.propensity) AS differing,
        filter(
            transform(
                items, x -> CASE WHEN coalesce(x.logging_propensity, x.propensity) > 0 THEN CAST(
                    round(x.target_propensity / coalesce(x.logging_propensity, x.propensity) * 1048576) AS BIGINT
                ) END
            ),
            x -> x IS NOT NULL
        ) AS ratios
    FROM {source}
)
SELECT
    request_id, ts_us, n_items,
    size(filter(known, x -> x IS NOT NULL)) AS n_known,
    size(filter(known, x -> x = 0)) AS n_zero,
    size(differing) AS n_differing,
    size(ratios) AS n_ratios,
    aggregate(ratios, 0L, (sum, x) -> sum + x) AS ratios
FROM lists
"""

ITEM_PROPENSITIES = """
SELECT request_id, item.item_id AS item_id, item.rank AS rank, item.propensity AS propensity, kind
FROM (SELECT request_id, kind, explode(items) AS item FROM {source}) AS listed
"""


def sliced(log: Any, keys: Sequence[str], own: Mapping[str, str], functions: Any) -> Any:
    """The log with the columns ``slice_1`` … ``slice_8``."""
    columns = []
    for number, name in enumerate(SLICES):
        value = functions.lit(None).cast("string")
        if number < len(keys):
            value = functions.try_element_at(functions.col("context"), functions.lit(keys[number]))
            if keys[number] in own:
                value = functions.coalesce(value, functions.col(own[keys[number]]))
        columns.append(value.alias(name))
    return log.select("*", *columns)


def named(log: Any, aliases: Any, functions: Any) -> Any:
    """The log with each user under the present pseudonym; ``aliases``: a frame of (previous, present)."""
    joined = log.join(aliases, log["user_id"] == aliases["previous"], "left")
    present = functions.coalesce(functions.col("present"), functions.col("user_id"))
    return joined.withColumn("user_id", present).drop("previous", "present")


def empty(name: str) -> str:
    """The columns of a staged table, in Spark's words."""
    found = schema_of({column: kind for column, (kind, _) in staged.TABLES[name][1].items()})
    assert found is not None, f"{name} has only types that Spark has"  # noqa: S101 - a table of ours
    return found
