-- Grain: one row per distinct exposure until as_of_us that has an assignment row of the experiment, or is one of its
-- units'.
-- Inputs: exposures, assigned_requests, experiment_units, experiment.
-- Parameters: the one row of experiment: scope (request: an exposure needs an assignment row of its own; user: its
-- unit's is enough), tolerance_us (how far the clocks of the logs may differ), as_of_us (NULL: none) and window_us: an
-- exposure whose window was still open at as_of_us leaves both sides.
-- standing says whether it counts, or why not, decided in this order: anonymous, other_user (its user is no unit, or,
-- with scope request, its request was assigned to somebody else), before_assignment, unassigned, ambiguous, too_recent, counts.
-- Lists that are empty or an error count like any other. ambiguous: another list stands under the same request_id;
-- where it is FALSE, no other row has the request_id. assigned: its request has an assignment row; assigned_variant:
-- the smallest variant of those rows that name its user too, NULL where none does.
WITH whole_requests AS (
    SELECT request_id, user_id, variant FROM assigned_requests WHERE NOT shared
),

-- Few requests were assigned to several users
shared_requests AS (
    SELECT request_id, user_id, variant FROM assigned_requests WHERE shared
),

shared_names AS (
    SELECT DISTINCT request_id FROM shared_requests
),

concerned AS (
    SELECT
        e.request_id, e.user_id, e.ts_us, e.n_items, e.error, e.latency_ms, e.ambiguous,
        e.slice_1, e.slice_2, e.slice_3, e.slice_4, e.slice_5, e.slice_6, e.slice_7, e.slice_8,
        e.anonymous OR e.user_id = e.request_id AS anonymous,
        u.variant, u.first_ts_us,
        w.request_id IS NOT NULL OR n.request_id IS NOT NULL AS assigned,
        CASE WHEN e.user_id = w.user_id THEN w.variant ELSE s.variant END AS assigned_variant
    FROM exposures AS e
    CROSS JOIN experiment AS x
    LEFT JOIN experiment_units AS u ON e.user_id = u.user_id
    LEFT JOIN whole_requests AS w ON e.request_id = w.request_id
    LEFT JOIN shared_names AS n ON e.request_id = n.request_id
    LEFT JOIN shared_requests AS s ON e.request_id = s.request_id AND e.user_id = s.user_id
    WHERE
        (u.user_id IS NOT NULL OR w.request_id IS NOT NULL OR n.request_id IS NOT NULL)
        AND (x.as_of_us IS NULL OR e.ts_us <= x.as_of_us)
)

SELECT
    c.request_id, c.user_id, c.variant, c.ts_us, c.n_items, c.error, c.latency_ms, c.ambiguous,
    c.slice_1, c.slice_2, c.slice_3, c.slice_4, c.slice_5, c.slice_6, c.slice_7, c.slice_8,
    c.assigned, c.assigned_variant,
    CASE
        WHEN c.anonymous THEN 'anonymous'
        WHEN c.variant IS NULL OR (x.scope = 'request' AND c.assigned AND c.assigned_variant IS NULL) THEN 'other_user'
        WHEN c.ts_us < c.first_ts_us - x.tolerance_us THEN 'before_assignment'
        WHEN x.scope = 'request' AND NOT c.assigned THEN 'unassigned'
        WHEN c.ambiguous THEN 'ambiguous'
        WHEN c.ts_us + x.window_us > x.as_of_us THEN 'too_recent'
        ELSE 'counts'
    END AS standing
FROM concerned AS c
CROSS JOIN experiment AS x
