-- Grain: one row per valid outcome row, with its one fate.
-- Inputs: outcome_verdicts, first_touches.  Parameters: none.
-- Of outcomes that could count, those after the first touch are later_touch.
SELECT
    v.row_number, v.request_id, v.user_id, v.item_id, v.event_type, v.ts_us, v.value, v.event_id,
    CASE WHEN v.fate = 'attributed' AND v.ts_us > f.ts_us THEN 'later_touch' ELSE v.fate END AS fate,
    v.shown_rank, v.exposure_ts_us, v.exposure_user_id, v.user_mismatch, v.anonymous, v.conflicting,
    v.slice_1, v.slice_2, v.slice_3, v.slice_4, v.slice_5, v.slice_6, v.slice_7, v.slice_8
FROM outcome_verdicts AS v
LEFT JOIN first_touches AS f
    ON v.request_id = f.request_id AND v.item_id = f.item_id AND v.event_type = f.event_type
