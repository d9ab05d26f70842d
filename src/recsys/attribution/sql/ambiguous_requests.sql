-- Grain: one row per request_id that stands on several different lists.
-- Inputs: settled_exposures, outcome_fates.  Parameters: none.
-- tenants and surfaces: distinct ones that are known; outcomes, clicks: what is attributed to none of the lists for it.
WITH lists AS (
    SELECT
        request_id,
        count(*) AS lists,
        count(DISTINCT user_id) AS users,
        count(DISTINCT slice_1) AS tenants,
        count(DISTINCT slice_2) AS surfaces,
        min(ts_us) AS first_us,
        max(ts_us) AS last_us
    FROM settled_exposures
    WHERE ambiguous
    GROUP BY request_id
),

lost AS (
    SELECT request_id, count(*) AS outcomes, count(*) FILTER (WHERE event_type = 'click') AS clicks
    FROM outcome_fates
    WHERE fate = 'ambiguous'
    GROUP BY request_id
)

SELECT
    l.request_id, l.lists, l.users, l.tenants, l.surfaces, l.first_us, l.last_us,
    coalesce(o.outcomes, 0) AS outcomes,
    coalesce(o.clicks, 0) AS clicks
FROM lists AS l
LEFT JOIN lost AS o ON l.request_id = o.request_id
