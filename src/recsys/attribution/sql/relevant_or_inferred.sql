-- Grain: one row per (request_id, item) that is relevant by an attributed outcome or by one that is credited by inference.
-- Inputs: relevant, inferred_credits.  Parameters: none.
-- Columns as in relevant.
WITH ranked AS (
    SELECT request_id, item_rank FROM relevant WHERE item_rank IS NOT NULL
    UNION
    SELECT exposure_request_id AS request_id, shown_rank AS item_rank FROM inferred_credits
),

-- UNION would take several items that no list held for one
every_item AS (
    SELECT request_id, item_rank FROM ranked
    UNION ALL
    SELECT request_id, item_rank FROM relevant WHERE item_rank IS NULL
)

SELECT
    request_id,
    item_rank,
    row_number() OVER (PARTITION BY request_id ORDER BY item_rank NULLS LAST) AS place
FROM every_item
