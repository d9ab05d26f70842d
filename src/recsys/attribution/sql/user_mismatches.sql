-- Grain: one row per outcome, no duplicate, that names another user than its exposure.
-- Inputs: outcome_fates, user_pairs, doctor.
-- Parameters: the one row of doctor: bucket_us, the width of a bucket.
-- 1970-01-01T00:00+14:00 is an instant of 1969: 10 days are added before // cuts, which is towards zero; widths up
-- to 10 days divide them.
SELECT
    f.row_number, f.event_type, f.fate, f.ts_us, f.exposure_ts_us,
    ((f.ts_us + 864000000000) // d.bucket_us) * d.bucket_us - 864000000000 AS bucket_us,
    f.exposure_user_id, f.user_id, p.form, p.in_place, p.named_for, p.named_as,
    f.slice_1, f.slice_2, f.slice_3, f.slice_4, f.slice_5, f.slice_6, f.slice_7, f.slice_8
FROM outcome_fates AS f
INNER JOIN user_pairs AS p ON f.exposure_user_id = p.exposure_user_id AND f.user_id = p.user_id
CROSS JOIN doctor AS d
WHERE f.user_mismatch AND f.fate <> 'duplicate' AND f.exposure_user_id <> f.request_id
