-- Grain: one row per experiment that an assignment names.
-- Inputs: staged_assignments.  Parameters: none.
SELECT DISTINCT experiment_id FROM staged_assignments ORDER BY experiment_id
