-- Grain: one row per (day, slices).
-- Inputs: exposures, joined_requests.  Parameters: none.
-- 1970-01-01T00:00+14:00 is an instant of 1969: a day is added before // cuts, which is towards zero, and taken off.
-- joined: the exposures that share a request_id with a valid outcome; also those with a click, with a conversion.
WITH joined AS (
    SELECT
        request_id,
        max(CASE WHEN event_type = 'click' THEN 1 ELSE 0 END) AS has_click,
        max(CASE WHEN event_type = 'conversion' THEN 1 ELSE 0 END) AS has_conversion
    FROM joined_requests
    GROUP BY request_id
)

SELECT
    (e.ts_us + 86400000000) // 86400000000 - 1 AS day,
    e.slice_1, e.slice_2, e.slice_3, e.slice_4, e.slice_5, e.slice_6, e.slice_7, e.slice_8,
    count(*) AS n,
    count(j.request_id) AS joined,
    count(*) FILTER (WHERE j.has_click = 1) AS joined_click,
    count(*) FILTER (WHERE j.has_conversion = 1) AS joined_conversion,
    sum(e.n_items) AS impressions,
    count(*) FILTER (WHERE e.ambiguous) AS ambiguous,
    count(*) FILTER (WHERE e.n_items = 0) AS empty,
    count(*) FILTER (WHERE e.error) AS error,
    count(*) FILTER (WHERE e.anonymous) AS anonymous,
    count(*) FILTER (WHERE e.repeated_rank) AS repeated_rank,
    count(*) FILTER (WHERE e.repeated_item) AS repeated_item,
    count(*) FILTER (WHERE e.rank_gap) AS rank_gap,
    count(*) FILTER (WHERE e.zero_propensity) AS zero_propensity,
    min(e.ts_us) AS first_ts_us,
    max(e.ts_us) AS last_ts_us
FROM exposures AS e
LEFT JOIN joined AS j ON e.request_id = j.request_id
GROUP BY
    (e.ts_us + 86400000000) // 86400000000 - 1,
    e.slice_1, e.slice_2, e.slice_3, e.slice_4, e.slice_5, e.slice_6, e.slice_7, e.slice_8
