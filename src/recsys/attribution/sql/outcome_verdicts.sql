-- Grain: one row per valid outcome row, with the fate that it has by itself: before `touch` looks at its neighbours.
-- Inputs: outcome_matches, policy.
-- Parameters: the one row of policy: tolerance_us, click_window_us, conversion_window_us (NULL: without limit),
-- not_in_list (refuse, count), user_mismatch (count, refuse).
-- The fates are decided in this order: duplicate, orphan, ambiguous, not_in_list, before_exposure, after_window,
-- user_mismatch, attributed.
SELECT
    m.row_number, m.request_id, m.user_id, m.item_id, m.event_type, m.ts_us, m.value, m.event_id,
    CASE
        WHEN m.is_copy THEN 'duplicate'
        WHEN m.is_ambiguous THEN 'ambiguous'
        WHEN NOT m.has_exposure THEN 'orphan'
        WHEN m.shown_rank IS NULL AND p.not_in_list = 'refuse' THEN 'not_in_list'
        WHEN m.ts_us < m.exposure_ts_us - p.tolerance_us THEN 'before_exposure'
        WHEN m.event_type = 'click' AND m.ts_us > m.exposure_ts_us + p.click_window_us THEN 'after_window'
        WHEN m.event_type = 'conversion' AND m.ts_us > m.exposure_ts_us + p.conversion_window_us THEN 'after_window'
        WHEN m.user_mismatch AND p.user_mismatch = 'refuse' THEN 'user_mismatch'
        ELSE 'attributed'
    END AS fate,
    m.shown_rank, m.exposure_ts_us, m.exposure_user_id, m.user_mismatch, m.anonymous, m.conflicting,
    m.slice_1, m.slice_2, m.slice_3, m.slice_4, m.slice_5, m.slice_6, m.slice_7, m.slice_8
FROM outcome_matches AS m
CROSS JOIN policy AS p
