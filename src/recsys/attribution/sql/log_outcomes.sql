-- Grain: one row per attributed outcome of the whole log. It stands in for experiment_outcomes.
-- Inputs: valued_outcomes.  Parameters: none.
SELECT
    exposure_user_id AS user_id, '' AS variant, request_id, event_type, ts_us, value_micros, no_value, odd_value
FROM valued_outcomes
WHERE fate = 'attributed'
