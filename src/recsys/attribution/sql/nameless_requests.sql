-- Grain: one row per request_id of which an exposure says that it knew nobody.
-- Inputs: exposures.  Parameters: none.
SELECT DISTINCT request_id
FROM exposures
WHERE anonymous
