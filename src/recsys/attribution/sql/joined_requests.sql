-- Grain: one row per (request_id, event_type) that a valid outcome names, whatever its fate.
-- Inputs: staged_outcomes.  Parameters: none.
SELECT DISTINCT request_id, event_type FROM staged_outcomes
