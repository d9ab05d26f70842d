-- Grain: one row per (request_id, rank) whose item was clicked or bought: relevant, and once, whatever happened to it.
-- Inputs: outcome_fates.  Parameters: none.
-- place counts the relevant items of the list from the top.
WITH distinct_ranks AS (
    SELECT DISTINCT request_id, shown_rank FROM outcome_fates WHERE fate = 'attributed'
)

SELECT
    request_id,
    shown_rank AS item_rank,
    row_number() OVER (PARTITION BY request_id ORDER BY shown_rank) AS place
FROM distinct_ranks
