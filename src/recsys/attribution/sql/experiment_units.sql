-- Grain: one row per unit of the experiment.
-- Inputs: assigned_units, experiment.  Parameters: the one row of experiment: experiment_id.
SELECT u.user_id, u.variant, u.first_ts_us, u.in_two_arms
FROM assigned_units AS u
INNER JOIN experiment AS x ON u.experiment_id = x.experiment_id
