-- Grain: one row per unit of the experiment, with the number of its exposures that count, 0 too.
-- Inputs: experiment_units, experiment_exposures.  Parameters: none.
WITH shown AS (
    SELECT user_id, count(*) AS exposures FROM experiment_exposures WHERE standing = 'counts' GROUP BY user_id
)

SELECT u.user_id, u.variant, u.in_two_arms, CAST(coalesce(s.exposures, 0) AS BIGINT) AS exposures
FROM experiment_units AS u
LEFT JOIN shown AS s ON u.user_id = s.user_id
