-- Grain: one row per (request_id, item) that was clicked or bought: relevant, and once, whatever happened to it.
-- Inputs: outcome_fates.  Parameters: none.
-- item_rank is NULL for an item that the list did not hold, where the policy lets such outcomes count: relevant, never
-- shown. place counts the relevant items of the list from the top, those that it did not hold last.
WITH distinct_items AS (
    SELECT DISTINCT request_id, shown_rank, CASE WHEN shown_rank IS NULL THEN item_id END AS unlisted_item
    FROM outcome_fates
    WHERE fate = 'attributed'
)

SELECT
    request_id,
    shown_rank AS item_rank,
    row_number() OVER (PARTITION BY request_id ORDER BY shown_rank NULLS LAST, unlisted_item NULLS FIRST) AS place
FROM distinct_items
