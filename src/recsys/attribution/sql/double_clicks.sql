-- Grain: one row per click on an item that was clicked in the same list a moment before.
-- Inputs: outcome_fates, doctor.  Parameters: the one row of doctor: double_click_us.
-- Of three clicks in a row the second and the third are there, each by the time since the one before it.
WITH clicks AS (
    SELECT
        row_number, ts_us, fate,
        ts_us - lag(ts_us) OVER (PARTITION BY request_id, item_id ORDER BY ts_us, row_number) AS gap_us
    FROM outcome_fates
    WHERE event_type = 'click' AND fate <> 'duplicate'
)

SELECT c.row_number, c.ts_us, c.gap_us, c.fate = 'attributed' AS attributed
FROM clicks AS c
CROSS JOIN doctor AS d
WHERE c.gap_us <= d.double_click_us
