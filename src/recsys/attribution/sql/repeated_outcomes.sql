-- Grain: one row per outcome that follows one of the same request, item and event type.
-- Inputs: outcome_fates.  Parameters: none.
-- Of three in a row the second and the third are there, each by the time since the one before it.
WITH told AS (
    SELECT
        row_number, event_type, ts_us, fate,
        ts_us - lag(ts_us) OVER (PARTITION BY request_id, item_id, event_type ORDER BY ts_us, row_number) AS gap_us
    FROM outcome_fates
    WHERE fate <> 'duplicate'
)

SELECT row_number, event_type, ts_us, gap_us, fate = 'attributed' AS attributed
FROM told
WHERE gap_us IS NOT NULL
