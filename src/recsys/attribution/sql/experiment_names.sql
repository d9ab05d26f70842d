-- Grain: one row per experiment that an assignment names.
-- Inputs: subject_assignments.  Parameters: none.
SELECT DISTINCT experiment_id FROM subject_assignments ORDER BY experiment_id
