-- Grain: one row per valid outcome row, with the exposure that has its request_id: what every policy decides upon.
-- Inputs: staged_outcomes, staged_assignments, exposures, settled_exposures.  Parameters: none.
-- Only rows that are alike in every column are told apart by row_number, so that both windows choose the same one; which
-- one that is makes no difference, and no result depends on the order of rows.
WITH repeated_keys AS (
    SELECT request_id, item_id, event_type, ts_us
    FROM staged_outcomes
    GROUP BY request_id, item_id, event_type, ts_us
    HAVING count(*) > 1
),

repeated_events AS (
    SELECT event_id FROM staged_outcomes WHERE event_id IS NOT NULL GROUP BY event_id HAVING count(*) > 1
),

-- Healthy logs have few repetitions: only those rows need to be put in order
suspects AS (
    SELECT o.row_number
    FROM staged_outcomes AS o
    INNER JOIN repeated_keys AS k
        ON o.request_id = k.request_id AND o.item_id = k.item_id AND o.event_type = k.event_type AND o.ts_us = k.ts_us
    UNION
    SELECT o.row_number FROM staged_outcomes AS o INNER JOIN repeated_events AS r ON o.event_id = r.event_id
),

placed AS (
    SELECT
        o.*,
        row_number() OVER same_key AS key_place,
        row_number() OVER same_event AS event_place,
        first_value(user_id) OVER same_key AS key_user_id,
        first_value(value) OVER same_key AS key_value,
        first_value(request_id) OVER same_event AS event_request_id,
        first_value(item_id) OVER same_event AS event_item_id,
        first_value(event_type) OVER same_event AS event_event_type,
        first_value(ts_us) OVER same_event AS event_ts_us,
        first_value(user_id) OVER same_event AS event_user_id,
        first_value(value) OVER same_event AS event_value
    FROM staged_outcomes AS o
    WHERE row_number IN (SELECT row_number FROM suspects)
    WINDOW
        same_key AS (
            PARTITION BY request_id, item_id, event_type, ts_us
            ORDER BY
                user_id, value NULLS FIRST, event_id NULLS FIRST,
                slice_1 NULLS FIRST, slice_2 NULLS FIRST, slice_3 NULLS FIRST, slice_4 NULLS FIRST,
                slice_5 NULLS FIRST, slice_6 NULLS FIRST, slice_7 NULLS FIRST, slice_8 NULLS FIRST,
                row_number
        ),
        -- Rows without an event_id repeat none: each is on its own
        same_event AS (
            PARTITION BY event_id, CASE WHEN event_id IS NULL THEN row_number END
            ORDER BY
                ts_us, user_id, value NULLS FIRST, request_id, item_id, event_type,
                slice_1 NULLS FIRST, slice_2 NULLS FIRST, slice_3 NULLS FIRST, slice_4 NULLS FIRST,
                slice_5 NULLS FIRST, slice_6 NULLS FIRST, slice_7 NULLS FIRST, slice_8 NULLS FIRST,
                row_number
        )
),

-- A row is a copy when it is not the first of its key, or not the first of its event_id
judged AS (
    SELECT
        row_number,
        key_place > 1 OR event_place > 1 AS is_copy,
        (
            key_place > 1
            AND (user_id <> key_user_id OR value IS DISTINCT FROM key_value)
        )
        OR (
            event_place > 1
            AND (
                request_id <> event_request_id OR item_id <> event_item_id OR event_type <> event_event_type
                OR ts_us <> event_ts_us OR user_id <> event_user_id OR value IS DISTINCT FROM event_value
            )
        ) AS differs
    FROM placed
),

copies AS (
    SELECT o.*, coalesce(j.is_copy, FALSE) AS is_copy, coalesce(j.differs, FALSE) AS differs
    FROM staged_outcomes AS o
    LEFT JOIN judged AS j ON o.row_number = j.row_number
),

-- Of an ambiguous request only what all its lists agree on is known
ambiguous_requests AS (
    SELECT
        request_id,
        CASE WHEN min(slice_1) = max(slice_1) AND count(slice_1) = count(*) THEN min(slice_1) END AS slice_1,
        CASE WHEN min(slice_2) = max(slice_2) AND count(slice_2) = count(*) THEN min(slice_2) END AS slice_2,
        CASE WHEN min(slice_3) = max(slice_3) AND count(slice_3) = count(*) THEN min(slice_3) END AS slice_3,
        CASE WHEN min(slice_4) = max(slice_4) AND count(slice_4) = count(*) THEN min(slice_4) END AS slice_4,
        CASE WHEN min(slice_5) = max(slice_5) AND count(slice_5) = count(*) THEN min(slice_5) END AS slice_5,
        CASE WHEN min(slice_6) = max(slice_6) AND count(slice_6) = count(*) THEN min(slice_6) END AS slice_6,
        CASE WHEN min(slice_7) = max(slice_7) AND count(slice_7) = count(*) THEN min(slice_7) END AS slice_7,
        CASE WHEN min(slice_8) = max(slice_8) AND count(slice_8) = count(*) THEN min(slice_8) END AS slice_8
    FROM settled_exposures
    WHERE ambiguous
    GROUP BY request_id
),

-- Several experiments may stand on one request; the smallest value is as good as any, and always the same
assigned AS (
    SELECT
        request_id,
        min(slice_1) AS slice_1, min(slice_2) AS slice_2, min(slice_3) AS slice_3, min(slice_4) AS slice_4,
        min(slice_5) AS slice_5, min(slice_6) AS slice_6, min(slice_7) AS slice_7, min(slice_8) AS slice_8
    FROM staged_assignments
    WHERE request_id IN (SELECT request_id FROM staged_outcomes)
    GROUP BY request_id
),

-- Few exposures have an outcome: only those are looked up
named_exposures AS (
    SELECT request_id, user_id, ts_us, shown, anonymous,
        slice_1, slice_2, slice_3, slice_4, slice_5, slice_6, slice_7, slice_8
    FROM exposures
    WHERE NOT ambiguous AND request_id IN (SELECT request_id FROM staged_outcomes)
)

SELECT
    c.row_number, c.request_id, c.user_id, c.item_id, c.event_type, c.ts_us, c.value, c.event_id,
    c.is_copy,
    c.is_copy AND c.differs AS conflicting,
    e.request_id IS NOT NULL AS has_exposure,
    a.request_id IS NOT NULL AS is_ambiguous,
    nullif(array_position(e.shown, c.item_id), 0) AS shown_rank,
    e.ts_us AS exposure_ts_us,
    e.user_id AS exposure_user_id,
    -- The user_id of an anonymous exposure is nobody's, so nobody differs from it
    coalesce(NOT e.anonymous AND c.user_id <> e.user_id, FALSE) AS user_mismatch,
    coalesce(e.anonymous, FALSE) AS anonymous,
    coalesce(e.slice_1, a.slice_1, s.slice_1, c.slice_1) AS slice_1,
    coalesce(e.slice_2, a.slice_2, s.slice_2, c.slice_2) AS slice_2,
    coalesce(e.slice_3, a.slice_3, s.slice_3, c.slice_3) AS slice_3,
    coalesce(e.slice_4, a.slice_4, s.slice_4, c.slice_4) AS slice_4,
    coalesce(e.slice_5, a.slice_5, s.slice_5, c.slice_5) AS slice_5,
    coalesce(e.slice_6, a.slice_6, s.slice_6, c.slice_6) AS slice_6,
    coalesce(e.slice_7, a.slice_7, s.slice_7, c.slice_7) AS slice_7,
    coalesce(e.slice_8, a.slice_8, s.slice_8, c.slice_8) AS slice_8
FROM copies AS c
LEFT JOIN named_exposures AS e ON c.request_id = e.request_id
LEFT JOIN ambiguous_requests AS a ON c.request_id = a.request_id
LEFT JOIN assigned AS s ON c.request_id = s.request_id
