-- Grain: one row per orphan outcome and exposure that is credited with it; none where the policy has no fallback.
-- Inputs: outcome_verdicts, exposures, policy.
-- Parameters: the one row of policy: fallback (none, user_item), credit (last, first, all), tolerance_us,
-- click_fallback_us, conversion_fallback_us (how long before the outcome a list may have been shown).
-- An inference, and no fate: the outcome stays an orphan. place: 1 is the exposure that was credited first, the latest one
-- unless credit is first; n_exposures: how many share the outcome.
WITH orphans AS (
    SELECT
        v.row_number, v.request_id, v.user_id, v.item_id, v.event_type, v.ts_us, v.value,
        p.credit,
        v.ts_us + p.tolerance_us AS last_us,
        v.ts_us - CASE WHEN v.event_type = 'click' THEN p.click_fallback_us ELSE p.conversion_fallback_us END AS first_us
    FROM outcome_verdicts AS v
    CROSS JOIN policy AS p
    WHERE p.fallback = 'user_item' AND v.fate = 'orphan'
),

wanted AS (
    SELECT DISTINCT user_id, item_id FROM orphans
),

-- Few users have an orphan: only their lists are taken apart
places AS (
    SELECT request_id, user_id, ts_us, shown, unnest(shown) AS item_id
    FROM exposures
    WHERE NOT ambiguous AND NOT anonymous AND user_id IN (SELECT user_id FROM wanted)
),

-- The lists in which a user saw an item, numbered in the order of time; of equal instants the smallest request_id is the
-- first one, and the last one too
seen AS (
    SELECT
        p.request_id, p.user_id, p.item_id, p.ts_us, array_position(p.shown, p.item_id) AS shown_rank,
        CASE
            WHEN c.credit = 'last'
                THEN row_number() OVER (PARTITION BY p.user_id, p.item_id ORDER BY p.ts_us, p.request_id DESC)
            ELSE row_number() OVER (PARTITION BY p.user_id, p.item_id ORDER BY p.ts_us, p.request_id)
        END AS list_number
    FROM places AS p
    INNER JOIN wanted AS w ON p.user_id = w.user_id AND p.item_id = w.item_id
    CROSS JOIN policy AS c
),

-- One list is found in one pass over lists and orphans in the order of time. To look at each orphan with each list never
-- ends where one user_id stands for everybody
timeline AS (
    SELECT
        user_id, item_id, row_number,
        CASE WHEN credit = 'last' THEN last_us ELSE first_us END AS at_us,
        CASE WHEN credit = 'last' THEN 1 ELSE -1 END AS turn,
        CAST(NULL AS BIGINT) AS list_number
    FROM orphans
    WHERE credit <> 'all'
    UNION ALL
    SELECT user_id, item_id, CAST(NULL AS BIGINT) AS row_number, ts_us AS at_us, 0 AS turn, list_number FROM seen
),

-- No instant is NULL: that is said because BigQuery knows no other order in such a window
nearest AS (
    SELECT
        row_number,
        max(list_number) OVER (
            PARTITION BY user_id, item_id ORDER BY at_us NULLS FIRST, turn NULLS FIRST ROWS UNBOUNDED PRECEDING
        ) AS latest,
        min(list_number) OVER (
            PARTITION BY user_id, item_id ORDER BY at_us DESC NULLS LAST, turn DESC NULLS LAST ROWS UNBOUNDED PRECEDING
        ) AS earliest
    FROM timeline
),

chosen AS (
    SELECT o.*, CASE WHEN o.credit = 'last' THEN n.latest ELSE n.earliest END AS list_number
    FROM nearest AS n
    INNER JOIN orphans AS o ON n.row_number = o.row_number
),

credited AS (
    SELECT o.row_number, s.request_id, s.ts_us, s.shown_rank, 1 AS place, 1 AS n_exposures
    FROM chosen AS o
    INNER JOIN seen AS s ON o.user_id = s.user_id AND o.item_id = s.item_id AND o.list_number = s.list_number
    WHERE s.ts_us BETWEEN o.first_us AND o.last_us
    UNION ALL
    SELECT
        o.row_number, s.request_id, s.ts_us, s.shown_rank,
        row_number() OVER (PARTITION BY o.row_number ORDER BY s.ts_us DESC, s.request_id) AS place,
        count(*) OVER (PARTITION BY o.row_number) AS n_exposures
    FROM orphans AS o
    INNER JOIN seen AS s ON o.user_id = s.user_id AND o.item_id = s.item_id
    WHERE o.credit = 'all' AND s.ts_us BETWEEN o.first_us AND o.last_us
)

SELECT
    o.row_number, o.request_id, o.user_id, o.item_id, o.event_type, o.ts_us, o.value,
    c.request_id AS exposure_request_id, c.ts_us AS exposure_ts_us, c.shown_rank, c.place, c.n_exposures
FROM credited AS c
INNER JOIN orphans AS o ON c.row_number = o.row_number
