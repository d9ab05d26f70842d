-- Grain: one row per (experiment_id, user_id): the units of every experiment, each in the arm of its first assignment.
-- Inputs: subject_assignments.  Parameters: none.
-- The first assignment is the smallest by (ts_us, request_id, variant). A row that stands there again changes nothing.
WITH units AS (
    SELECT
        experiment_id, user_id,
        min(ts_us) AS first_ts_us,
        min(variant) AS variant,
        min(variant) <> max(variant) AS in_two_arms
    FROM subject_assignments
    WHERE NOT anonymous
    GROUP BY experiment_id, user_id
),

-- Few units have several variants: only theirs are put in order
places AS (
    SELECT
        a.experiment_id, a.user_id, a.variant,
        row_number() OVER (
            PARTITION BY a.experiment_id, a.user_id ORDER BY a.ts_us, a.request_id, a.variant
        ) AS place
    FROM subject_assignments AS a
    INNER JOIN units AS u ON a.experiment_id = u.experiment_id AND a.user_id = u.user_id AND u.in_two_arms
    WHERE NOT a.anonymous
),

firsts AS (
    SELECT experiment_id, user_id, variant FROM places WHERE place = 1
)

SELECT
    u.experiment_id, u.user_id,
    coalesce(f.variant, u.variant) AS variant,
    u.first_ts_us,
    u.in_two_arms
FROM units AS u
LEFT JOIN firsts AS f ON u.experiment_id = f.experiment_id AND u.user_id = f.user_id
