-- Grain: one row per unit of the experiment: the slice values of its first assignment.
-- Inputs: experiment_units, subject_assignments, experiment.  Parameters: the one row of experiment: experiment_id.
-- The first is the smallest by (ts_us, request_id, variant), then by the slice values, NULL before all others.
WITH places AS (
    SELECT
        u.user_id, u.variant, u.first_ts_us,
        a.slice_1, a.slice_2, a.slice_3, a.slice_4, a.slice_5, a.slice_6, a.slice_7, a.slice_8,
        row_number() OVER (
            PARTITION BY u.user_id
            ORDER BY
                a.request_id, a.variant,
                a.slice_1 NULLS FIRST, a.slice_2 NULLS FIRST, a.slice_3 NULLS FIRST, a.slice_4 NULLS FIRST,
                a.slice_5 NULLS FIRST, a.slice_6 NULLS FIRST, a.slice_7 NULLS FIRST, a.slice_8 NULLS FIRST
        ) AS place
    FROM experiment_units AS u
    INNER JOIN subject_assignments AS a ON u.user_id = a.user_id AND u.first_ts_us = a.ts_us
    INNER JOIN experiment AS x ON a.experiment_id = x.experiment_id
    WHERE NOT a.anonymous
)

SELECT
    user_id, variant, first_ts_us,
    slice_1, slice_2, slice_3, slice_4, slice_5, slice_6, slice_7, slice_8
FROM places
WHERE place = 1
