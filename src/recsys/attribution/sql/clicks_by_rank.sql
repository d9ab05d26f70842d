-- Grain: one row per rank that was clicked.
-- Inputs: outcome_fates.  Parameters: none.
-- Clicks on an item that the list did not hold, where a policy counts them, have no rank.
SELECT shown_rank, count(*) AS clicks
FROM outcome_fates
WHERE fate = 'attributed' AND event_type = 'click' AND shown_rank IS NOT NULL
GROUP BY shown_rank
ORDER BY shown_rank
