-- Grain: one row per orphan outcome and exposure that is credited with it; none where the policy has no fallback.
-- Inputs: outcome_verdicts, exposures, policy.
-- Parameters: the one row of policy: fallback (none, user_item), credit (last, first, all), tolerance_us,
-- click_fallback_us, conversion_fallback_us (how long before the outcome a list may have been shown).
-- An inference, and no fate: the outcome stays an orphan. place: 1 is the exposure that was credited first, the latest one
-- unless credit is first; n_exposures: how many share the outcome.
WITH orphans AS (
    SELECT
        v.row_number, v.request_id, v.user_id, v.item_id, v.event_type, v.ts_us, v.value,
        p.credit, p.tolerance_us,
        CASE WHEN v.event_type = 'click' THEN p.click_fallback_us ELSE p.conversion_fallback_us END AS fallback_us
    FROM outcome_verdicts AS v
    CROSS JOIN policy AS p
    WHERE p.fallback = 'user_item' AND v.fate = 'orphan'
),

-- Few users have an orphan: only their lists are taken apart. Looking an item up in them would compare every orphan
-- of a user with every list, which never ends where one user_id stands for everybody
seen AS (
    SELECT request_id, user_id, ts_us, shown, unnest(shown) AS item_id
    FROM exposures
    WHERE NOT ambiguous AND NOT anonymous AND user_id IN (SELECT user_id FROM orphans)
),

candidates AS (
    SELECT
        o.row_number, o.credit, s.request_id AS exposure_request_id, s.ts_us AS exposure_ts_us,
        array_position(s.shown, s.item_id) AS shown_rank
    FROM orphans AS o
    INNER JOIN seen AS s ON o.user_id = s.user_id AND o.item_id = s.item_id
    WHERE o.ts_us BETWEEN s.ts_us - o.tolerance_us AND s.ts_us + o.fallback_us
),

placed AS (
    SELECT
        c.*,
        row_number() OVER (
            PARTITION BY c.row_number
            ORDER BY
                CASE WHEN c.credit = 'first' THEN c.exposure_ts_us ELSE -c.exposure_ts_us END, c.exposure_request_id
        ) AS place,
        count(*) OVER (PARTITION BY c.row_number) AS n_shown
    FROM candidates AS c
)

SELECT
    o.row_number, o.request_id, o.user_id, o.item_id, o.event_type, o.ts_us, o.value,
    p.exposure_request_id, p.exposure_ts_us, p.shown_rank, p.place,
    CASE WHEN p.credit = 'all' THEN p.n_shown ELSE 1 END AS n_exposures
FROM placed AS p
INNER JOIN orphans AS o ON p.row_number = o.row_number
WHERE p.credit = 'all' OR p.place = 1
