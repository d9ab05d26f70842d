-- Grain: one row per (bucket of time, slices).
-- Inputs: exposures, joined_requests, doctor.
-- Parameters: the one row of doctor: bucket_us, the width of a bucket.
-- 1970-01-01T00:00+14:00 is an instant of 1969: 10 days are added before // cuts, which is towards zero; widths up
-- to 10 days divide them. joined: the exposures that share a request_id with a valid outcome; answered: those
-- of them that have items.
WITH answered AS (
    SELECT DISTINCT request_id FROM joined_requests
)

SELECT
    ((e.ts_us + 864000000000) // p.bucket_us) * p.bucket_us - 864000000000 AS bucket_us,
    e.slice_1, e.slice_2, e.slice_3, e.slice_4, e.slice_5, e.slice_6, e.slice_7, e.slice_8,
    count(*) AS n,
    count(a.request_id) AS joined,
    count(a.request_id) FILTER (WHERE e.n_items > 0) AS answered,
    count(*) FILTER (WHERE e.n_items = 0) AS empty,
    count(*) FILTER (WHERE e.error) AS error
FROM exposures AS e
CROSS JOIN doctor AS p
LEFT JOIN answered AS a ON e.request_id = a.request_id
GROUP BY
    ((e.ts_us + 864000000000) // p.bucket_us) * p.bucket_us - 864000000000,
    e.slice_1, e.slice_2, e.slice_3, e.slice_4, e.slice_5, e.slice_6, e.slice_7, e.slice_8
