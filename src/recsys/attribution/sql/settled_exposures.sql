-- Grain: one row per distinct list of a request_id that stands on several exposure rows.
-- Inputs: staged_exposures, repeated_requests.  Parameters: none.
-- The same (rank, item) pairs again are a redelivery and count once: the earliest instant stands, ties are broken by
-- the smallest remaining values. Different lists under one request_id are ambiguous.
WITH copies AS (
    SELECT
        e.*,
        row_number() OVER (
            -- No identifier holds a control character, and not every engine divides rows by lists
            PARTITION BY e.request_id, array_to_string(e.shown, chr(31)), e.odd_pairs
            ORDER BY
                e.ts_us, e.user_id,
                e.slice_1 NULLS FIRST, e.slice_2 NULLS FIRST, e.slice_3 NULLS FIRST, e.slice_4 NULLS FIRST,
                e.slice_5 NULLS FIRST, e.slice_6 NULLS FIRST, e.slice_7 NULLS FIRST, e.slice_8 NULLS FIRST,
                e.latency_ms NULLS FIRST, e.error NULLS FIRST, e.anonymous, e.zero_propensity
        ) AS copy_number
    FROM staged_exposures AS e
    INNER JOIN repeated_requests AS r ON e.request_id = r.request_id
),

-- What is left after redeliveries
lists AS (
    SELECT * FROM copies WHERE copy_number = 1
),

list_counts AS (
    SELECT request_id, count(*) AS n_lists FROM lists GROUP BY request_id
)

SELECT
    l.request_id, l.user_id, l.ts_us, l.shown, l.odd_pairs, l.n_items,
    l.repeated_rank, l.repeated_item, l.rank_gap, l.zero_propensity,
    l.latency_ms, l.error, l.anonymous,
    l.slice_1, l.slice_2, l.slice_3, l.slice_4, l.slice_5, l.slice_6, l.slice_7, l.slice_8,
    c.n_lists > 1 AS ambiguous
FROM lists AS l
INNER JOIN list_counts AS c ON l.request_id = c.request_id
