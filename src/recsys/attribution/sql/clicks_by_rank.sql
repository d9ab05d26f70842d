-- Grain: one row per rank that was clicked.
-- Inputs: outcome_fates.  Parameters: none.
SELECT shown_rank, count(*) AS clicks
FROM outcome_fates
WHERE fate = 'attributed' AND event_type = 'click'
GROUP BY shown_rank
ORDER BY shown_rank
