-- Grain: one row per outcome that is attributed to an exposure that counts in the experiment.
-- Inputs: valued_outcomes, experiment_exposures.  Parameters: none.
-- user_id and variant are those of the exposure, whoever the outcome names.
SELECT
    e.user_id, e.variant, o.request_id, o.event_type, o.ts_us, o.value_micros, o.no_value, o.odd_value
FROM valued_outcomes AS o
INNER JOIN experiment_exposures AS e ON o.request_id = e.request_id
WHERE o.fate = 'attributed' AND e.standing = 'counts'
