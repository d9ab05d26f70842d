-- Grain: one row per user of the whole log who was shown something until as_of_us. It stands in for experiment_units
-- where there is no experiment: the one arm is called ''.
-- Inputs: experiment_exposures, which log_exposures stands in for.  Parameters: none.
SELECT user_id, '' AS variant, min(ts_us) AS first_ts_us, FALSE AS in_two_arms
FROM experiment_exposures
WHERE standing <> 'anonymous'
GROUP BY user_id
