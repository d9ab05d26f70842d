-- Grain: one row per (bucket of time, slices) of outcomes, no duplicates, whose exposure knew its user.
-- Inputs: outcome_fates, doctor.
-- Parameters: the one row of doctor: bucket_us, the width of a bucket.
-- 1970-01-01T00:00+14:00 is an instant of 1969: 10 days are added before // cuts, which is towards zero; widths up
-- to 10 days divide them.
SELECT
    ((f.ts_us + 864000000000) // d.bucket_us) * d.bucket_us - 864000000000 AS bucket_us,
    f.slice_1, f.slice_2, f.slice_3, f.slice_4, f.slice_5, f.slice_6, f.slice_7, f.slice_8,
    count(*) AS n
FROM outcome_fates AS f
CROSS JOIN doctor AS d
WHERE f.fate <> 'duplicate' AND NOT f.anonymous AND f.exposure_user_id <> f.request_id
GROUP BY
    ((f.ts_us + 864000000000) // d.bucket_us) * d.bucket_us - 864000000000,
    f.slice_1, f.slice_2, f.slice_3, f.slice_4, f.slice_5, f.slice_6, f.slice_7, f.slice_8
