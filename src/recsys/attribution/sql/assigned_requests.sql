-- Grain: one row per (request_id, user_id) that assignment rows of the experiment name.
-- Inputs: subject_assignments, repeated_assignments, experiment.
-- Parameters: the one row of experiment: experiment_id.
-- variant: the smallest of those rows. shared: other users have the request_id too; where FALSE, no other row has it.
WITH own AS (
    SELECT a.request_id, a.user_id, a.variant, a.anonymous
    FROM subject_assignments AS a
    INNER JOIN experiment AS x ON a.experiment_id = x.experiment_id
),

grouped AS (
    SELECT o.request_id, o.user_id, o.anonymous, min(o.variant) AS variant
    FROM own AS o
    INNER JOIN repeated_assignments AS r ON o.request_id = r.request_id
    GROUP BY o.request_id, o.user_id, o.anonymous
)

SELECT o.request_id, o.user_id, o.variant, o.anonymous, FALSE AS shared
FROM own AS o
WHERE NOT EXISTS (SELECT 1 FROM repeated_assignments AS r WHERE r.request_id = o.request_id)
UNION ALL
SELECT request_id, user_id, variant, anonymous, count(*) OVER (PARTITION BY request_id) > 1 AS shared
FROM grouped
