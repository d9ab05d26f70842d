-- Grain: one row per valid outcome row, in a fixed order: the joined table that people take away.
-- Inputs: outcome_fates.  Parameters: none (slice columns get the names of their keys from the caller).
SELECT
    request_id, user_id, item_id, event_type,
    make_timestamptz(ts_us) AS ts,
    value, event_id, fate,
    shown_rank,
    make_timestamptz(exposure_ts_us) AS exposure_ts,
    user_mismatch, anonymous, conflicting,
    slice_1, slice_2, slice_3, slice_4, slice_5, slice_6, slice_7, slice_8
FROM outcome_fates
ORDER BY ts_us, request_id, item_id, event_type, fate, user_id, event_id NULLS FIRST, value NULLS FIRST
