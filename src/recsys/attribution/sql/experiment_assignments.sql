-- Grain: one row in all: what the assignment rows of the experiment are.
-- Inputs: subject_assignments, repeated_assignments, experiment_exposures, experiment.
-- Parameters: the one row of experiment: experiment_id.
-- assignment_rows = repeated + anonymous + the different rows that name a subject; requests: those that they name, of
-- which unexposed have no exposure until as_of_us. several: subjects that more than one of the different rows name.
WITH own AS (
    SELECT a.variant, a.request_id, a.user_id, a.ts_us, a.anonymous
    FROM subject_assignments AS a
    INNER JOIN experiment AS x ON a.experiment_id = x.experiment_id
),

grouped AS (
    SELECT o.variant, o.request_id, o.user_id, o.ts_us, o.anonymous, count(*) AS n
    FROM own AS o
    INNER JOIN repeated_assignments AS r ON o.request_id = r.request_id
    GROUP BY o.variant, o.request_id, o.user_id, o.ts_us, o.anonymous
),

different AS (
    SELECT o.user_id, o.anonymous, 1 AS n
    FROM own AS o
    WHERE NOT EXISTS (SELECT 1 FROM repeated_assignments AS r WHERE r.request_id = o.request_id)
    UNION ALL
    SELECT user_id, anonymous, n FROM grouped
),

counted AS (
    SELECT
        coalesce(sum(n), 0) AS assignment_rows,
        coalesce(sum(n - 1), 0) AS repeated,
        count(*) FILTER (WHERE anonymous) AS anonymous
    FROM different
),

named AS (
    SELECT count(*) FILTER (WHERE r.request_id IS NULL) + count(DISTINCT r.request_id) AS requests
    FROM own AS o
    LEFT JOIN repeated_assignments AS r ON o.request_id = r.request_id
),

repeaters AS (
    SELECT count(*) AS units
    FROM (SELECT user_id FROM different WHERE NOT anonymous GROUP BY user_id HAVING count(*) > 1) AS d
),

exposed AS (
    SELECT
        count(*) FILTER (WHERE NOT ambiguous)
        + count(DISTINCT CASE WHEN ambiguous THEN request_id END) AS requests
    FROM experiment_exposures
    WHERE assigned
)

SELECT c.assignment_rows, c.repeated, c.anonymous, n.requests, n.requests - e.requests AS unexposed, r.units AS several
FROM counted AS c
CROSS JOIN named AS n
CROSS JOIN repeaters AS r
CROSS JOIN exposed AS e
