-- Grain: one row per (variant, standing) of the exposures of the experiment; variant is NULL where the user is no unit.
-- Inputs: experiment_exposures.  Parameters: none.
SELECT
    variant, standing,
    count(*) AS n,
    count(*) FILTER (WHERE n_items = 0) AS empty,
    count(*) FILTER (WHERE error) AS error
FROM experiment_exposures
GROUP BY variant, standing
