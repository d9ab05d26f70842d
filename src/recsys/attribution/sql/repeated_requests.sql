-- Grain: one row per request_id that stands on more than one exposure row.
-- Inputs: staged_exposures.  Parameters: none.
-- Healthy logs have few of these: only their rows need the comparison of lists in settled_exposures.
SELECT request_id
FROM staged_exposures
GROUP BY request_id
HAVING count(*) > 1
