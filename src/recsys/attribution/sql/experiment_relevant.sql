-- Grain: one row per (request_id, item) that was clicked or bought in a list that counts in the experiment, until
-- as_of_us, or in one that its unit was shown before the first assignment, before that too.
-- Inputs: outcome_fates, experiment_exposures, experiment_units, experiment.
-- Parameters: the one row of experiment: as_of_us (NULL: until the end of the log) and tolerance_us.
-- As in relation relevant: item_rank is NULL for an item that the list did not hold, place counts from the top.
WITH distinct_items AS (
    SELECT DISTINCT o.request_id, o.shown_rank, CASE WHEN o.shown_rank IS NULL THEN o.item_id END AS unlisted_item
    FROM outcome_fates AS o
    INNER JOIN experiment_exposures AS e ON o.request_id = e.request_id
    INNER JOIN experiment_units AS u ON e.user_id = u.user_id
    CROSS JOIN experiment AS x
    WHERE
        o.fate = 'attributed'
        AND (
            (e.standing = 'counts' AND (x.as_of_us IS NULL OR o.ts_us <= x.as_of_us))
            OR (e.standing = 'before_assignment' AND o.ts_us < u.first_ts_us - x.tolerance_us)
        )
)

SELECT
    request_id,
    shown_rank AS item_rank,
    row_number() OVER (PARTITION BY request_id ORDER BY shown_rank NULLS LAST, unlisted_item NULLS FIRST) AS place
FROM distinct_items
