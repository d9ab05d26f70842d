-- Grain: one row in all.
-- Inputs: exposures.  Parameters: none.
SELECT count(DISTINCT user_id) AS users FROM exposures
