-- Grain: one row per (day, event_type, slices, fate).
-- Inputs: outcome_fates.  Parameters: none.
-- day: days since 1970-01-01 (UTC) of the outcome's own instant.
SELECT
    ts_us // 86400000000 AS day,
    event_type,
    slice_1, slice_2, slice_3, slice_4, slice_5, slice_6, slice_7, slice_8,
    fate,
    count(*) AS n
FROM outcome_fates
GROUP BY day, event_type, slice_1, slice_2, slice_3, slice_4, slice_5, slice_6, slice_7, slice_8, fate
