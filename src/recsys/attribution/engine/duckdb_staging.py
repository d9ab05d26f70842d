"""The staged tables in DuckDB's SQL; ``source`` is a query of the log."""

from __future__ import annotations

EXPOSURES = """
WITH judged AS (
    SELECT
        *,
        CASE
            WHEN list_contains(list_transform(ranks, lambda r, i: r = i), FALSE) THEN FALSE
            ELSE len(first_places(item_ids)) = len(item_ids)
        END AS usual
    FROM ({source})
),
sorted AS (
    SELECT
        *,
        CASE
            WHEN usual THEN NULL
            ELSE list_sort(list_transform(list_zip(ranks, item_ids), lambda x: {{'rank': x[1], 'item_id': x[2]}}))
        END AS pairs
    FROM judged
),
closed AS (
    SELECT
        *,
        CASE
            WHEN usual THEN item_ids
            ELSE first_places(list_transform(pairs, lambda x: x.item_id))
        END AS shown
    FROM sorted
)
SELECT
    request_id,
    user_id,
    ts_us,
    shown,
    CASE
        WHEN usual THEN NULL
        WHEN list_transform(pairs, lambda x: x.rank) = range(1, len(item_ids) + 1)::INTEGER[]
            AND len(shown) = len(item_ids) THEN NULL
        ELSE CAST(to_json(pairs) AS VARCHAR)
    END AS odd_pairs,
    len(shown)::INTEGER AS n_items,
    CASE WHEN usual THEN FALSE ELSE distinct_ranks(pairs) < len(item_ids) END AS repeated_rank,
    len(shown) < len(item_ids) AS repeated_item,
    CASE WHEN usual THEN FALSE ELSE distinct_ranks(pairs) < pairs[-1].rank END AS rank_gap,
    zero_propensity,
    latency_ms,
    error,
    coalesce(context['anonymous'] = 'true', FALSE) AS anonymous,
    {slices}
FROM closed
"""

OUTCOMES = """
SELECT
    row_number() OVER () AS row_number,
    request_id, user_id, item_id, event_type, ts_us, value, event_id,
    {slices}
FROM ({source})
"""

ASSIGNMENTS = """
SELECT experiment_id, variant, request_id, user_id, ts_us, {slices} FROM ({source})
"""

NO_ASSIGNMENTS = """
SELECT
    NULL::VARCHAR AS experiment_id, NULL::VARCHAR AS variant, NULL::VARCHAR AS request_id, NULL::VARCHAR AS user_id,
    NULL::BIGINT AS ts_us, {slices}
WHERE FALSE
"""

CONTEXTS = """
SELECT entry.key AS key, entry.value AS value, count(*) AS n
FROM (SELECT unnest(map_entries(context)) AS entry FROM ({source}))
GROUP BY ALL
"""

PROPENSITIES = """
WITH lists AS (
    SELECT
        request_id, ts_us, len(items)::INTEGER AS n_items,
        list_transform(items, lambda x: coalesce(x.logging_propensity, x.propensity)) AS known,
        list_transform(items, lambda x: x.logging_propensity <> x.propensity) AS differing,
        list_transform(
            items, lambda x: CASE WHEN coalesce(x.logging_propensity, x.propensity) > 0 THEN CAST(
                round(x.target_propensity / coalesce(x.logging_propensity, x.propensity) * 1048576) AS BIGINT
            ) END
        ) AS ratios
    FROM ({source})
)

SELECT
    request_id, ts_us, n_items,
    list_count(known)::INTEGER AS n_known,
    len(list_filter(known, lambda x: x = 0))::INTEGER AS n_zero,
    len(list_filter(differing, lambda x: x))::INTEGER AS n_differing,
    list_count(ratios)::INTEGER AS n_ratios,
    coalesce(list_sum(ratios), 0)::BIGINT AS ratios
FROM lists
"""

ITEM_PROPENSITIES = """
SELECT request_id, item.item_id AS item_id, item.rank AS rank, item.propensity AS propensity, kind
FROM (SELECT request_id, kind, unnest(items) AS item FROM ({source}))
"""
