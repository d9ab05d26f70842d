-- Grain: one row per (bucket of time, slices) of distinct exposures.
-- Inputs: exposures, doctor.
-- Parameters: the one row of doctor: bucket_us, the width of a bucket.
-- 1970-01-01T00:00+14:00 is an instant of 1969: 10 days are added before // cuts, which is towards zero; widths up
-- to 10 days divide them. unmarked: the user_id is only the request_id, and nothing says so; ambiguous: another list
-- stands under the same request_id.
SELECT
    ((e.ts_us + 864000000000) // d.bucket_us) * d.bucket_us - 864000000000 AS bucket_us,
    e.slice_1, e.slice_2, e.slice_3, e.slice_4, e.slice_5, e.slice_6, e.slice_7, e.slice_8,
    count(*) AS n,
    count(*) FILTER (WHERE e.anonymous) AS anonymous,
    count(*) FILTER (WHERE e.user_id = e.request_id AND NOT e.anonymous) AS unmarked,
    count(*) FILTER (WHERE e.ambiguous) AS ambiguous
FROM exposures AS e
CROSS JOIN doctor AS d
GROUP BY
    ((e.ts_us + 864000000000) // d.bucket_us) * d.bucket_us - 864000000000,
    e.slice_1, e.slice_2, e.slice_3, e.slice_4, e.slice_5, e.slice_6, e.slice_7, e.slice_8
