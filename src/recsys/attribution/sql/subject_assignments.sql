-- Grain: one row per assignment row until as_of_us, of all experiments.
-- Inputs: staged_assignments, nameless_requests, experiment.
-- Parameters: the one row of experiment: as_of_us (NULL: until the end of the log).
-- anonymous: the user_id is only the request_id, or the exposure of the request says that it knew nobody.
SELECT
    a.experiment_id, a.variant, a.request_id, a.user_id, a.ts_us,
    a.user_id = a.request_id OR n.request_id IS NOT NULL AS anonymous,
    a.slice_1, a.slice_2, a.slice_3, a.slice_4, a.slice_5, a.slice_6, a.slice_7, a.slice_8
FROM staged_assignments AS a
CROSS JOIN experiment AS x
LEFT JOIN nameless_requests AS n ON a.request_id = n.request_id
WHERE x.as_of_us IS NULL OR a.ts_us <= x.as_of_us
