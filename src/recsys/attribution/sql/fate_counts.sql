-- Grain: one row per (day, event_type, slices, fate).
-- Inputs: outcome_fates.  Parameters: none.
-- 1970-01-01T00:00+14:00 is an instant of 1969: a day is added before // cuts, which is towards zero, and taken off.
-- day: days since 1970-01-01 (UTC) of the outcome's own instant.
SELECT
    (ts_us + 86400000000) // 86400000000 - 1 AS day,
    event_type,
    slice_1, slice_2, slice_3, slice_4, slice_5, slice_6, slice_7, slice_8,
    fate,
    count(*) AS n
FROM outcome_fates
GROUP BY
    (ts_us + 86400000000) // 86400000000 - 1,
    event_type, slice_1, slice_2, slice_3, slice_4, slice_5, slice_6, slice_7, slice_8, fate
