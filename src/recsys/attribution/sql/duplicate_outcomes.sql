-- Grain: one row per outcome of the fate duplicate: how it came to be there again.
-- Inputs: outcome_fates, staged_outcomes.  Parameters: none.
-- kind: redelivery, where its event_id is there again or it has none, for the same event came twice; retry, where the
-- same event was sent again under another event_id.
WITH repeated_events AS (
    SELECT event_id FROM staged_outcomes WHERE event_id IS NOT NULL GROUP BY event_id HAVING count(*) > 1
)

SELECT
    f.row_number, f.ts_us, f.event_type, f.conflicting,
    CASE WHEN f.event_id IS NULL OR r.event_id IS NOT NULL THEN 'redelivery' ELSE 'retry' END AS kind
FROM outcome_fates AS f
LEFT JOIN repeated_events AS r ON f.event_id = r.event_id
WHERE f.fate = 'duplicate'
