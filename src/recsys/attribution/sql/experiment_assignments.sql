-- Grain: one row in all: what the assignment rows of the experiment are.
-- Inputs: subject_assignments, exposures, experiment.  Parameters: the one row of experiment: experiment_id, as_of_us.
-- assignment_rows = repeated + anonymous + the different rows that name a subject; requests: those that they name, of
-- which unexposed have no exposure until as_of_us. several: subjects that more than one of the different rows name.
WITH different AS (
    SELECT a.variant, a.request_id, a.user_id, a.ts_us, a.anonymous, count(*) AS n
    FROM subject_assignments AS a
    INNER JOIN experiment AS x ON a.experiment_id = x.experiment_id
    GROUP BY a.variant, a.request_id, a.user_id, a.ts_us, a.anonymous
),

counted AS (
    SELECT
        coalesce(sum(n), 0) AS assignment_rows,
        coalesce(sum(n - 1), 0) AS repeated,
        count(*) FILTER (WHERE anonymous) AS anonymous,
        count(DISTINCT request_id) AS requests
    FROM different
),

repeaters AS (
    SELECT count(*) AS units
    FROM (SELECT user_id FROM different WHERE NOT anonymous GROUP BY user_id HAVING count(*) > 1) AS d
),

exposed AS (
    SELECT count(DISTINCT e.request_id) AS requests
    FROM exposures AS e
    INNER JOIN different AS d ON e.request_id = d.request_id
    CROSS JOIN experiment AS x
    WHERE x.as_of_us IS NULL OR e.ts_us <= x.as_of_us
)

SELECT c.assignment_rows, c.repeated, c.anonymous, c.requests, c.requests - e.requests AS unexposed, r.units AS several
FROM counted AS c
CROSS JOIN repeaters AS r
CROSS JOIN exposed AS e
