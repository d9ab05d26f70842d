-- Grain: one row per valid outcome row, in a fixed order: the joined table that people take away.
-- Inputs: outcome_fates, inferred_credits.  Parameters: none (slice columns get the names of their keys from the caller).
-- inferred_request_id: the list that an orphan is credited to, the first of them; inferred_exposures: how many share it.
SELECT
    f.request_id, f.user_id, f.item_id, f.event_type,
    make_timestamptz(f.ts_us) AS ts,
    f.value, f.event_id, f.fate,
    CAST(f.shown_rank AS INTEGER) AS shown_rank,
    make_timestamptz(f.exposure_ts_us) AS exposure_ts,
    f.user_mismatch, f.anonymous, f.conflicting,
    i.exposure_request_id AS inferred_request_id,
    CAST(i.n_exposures AS INTEGER) AS inferred_exposures,
    f.slice_1, f.slice_2, f.slice_3, f.slice_4, f.slice_5, f.slice_6, f.slice_7, f.slice_8
FROM outcome_fates AS f
LEFT JOIN inferred_credits AS i ON f.row_number = i.row_number AND i.place = 1
ORDER BY
    f.ts_us, f.request_id, f.item_id, f.event_type, f.fate, f.user_id, f.event_id NULLS FIRST, f.value NULLS FIRST
