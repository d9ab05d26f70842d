-- Grain: one row per valid outcome row, as in outcome_fates, whose place it takes where figures are to hold what is
-- inferred: an orphan that is credited counts as attributed, to the first exposure that it is credited to.
-- Inputs: outcome_verdicts, first_touches, inferred_credits.  Parameters: none.
SELECT
    v.row_number,
    coalesce(i.exposure_request_id, v.request_id) AS request_id,
    v.user_id, v.item_id, v.event_type, v.ts_us, v.value, v.event_id,
    CASE
        WHEN i.row_number IS NOT NULL THEN 'attributed'
        WHEN v.fate = 'attributed' AND v.ts_us > f.ts_us THEN 'later_touch'
        ELSE v.fate
    END AS fate,
    coalesce(i.shown_rank, v.shown_rank) AS shown_rank,
    coalesce(i.exposure_ts_us, v.exposure_ts_us) AS exposure_ts_us,
    -- Who is credited by inference is the user whom the outcome names
    CASE WHEN i.row_number IS NOT NULL THEN v.user_id ELSE v.exposure_user_id END AS exposure_user_id,
    v.user_mismatch, v.anonymous, v.conflicting,
    v.slice_1, v.slice_2, v.slice_3, v.slice_4, v.slice_5, v.slice_6, v.slice_7, v.slice_8
FROM outcome_verdicts AS v
LEFT JOIN first_touches AS f
    ON v.request_id = f.request_id AND v.item_id = f.item_id AND v.event_type = f.event_type
LEFT JOIN inferred_credits AS i ON v.row_number = i.row_number AND i.place = 1
