-- Grain: one row per pair of experiments and pair of their arms that have a unit in common.
-- Inputs: assigned_units.  Parameters: none.
SELECT
    a.experiment_id, a.variant,
    b.experiment_id AS other_experiment_id,
    b.variant AS other_variant,
    count(*) AS units
FROM assigned_units AS a
INNER JOIN assigned_units AS b ON a.user_id = b.user_id AND a.experiment_id < b.experiment_id
GROUP BY a.experiment_id, a.variant, b.experiment_id, b.variant
