-- Grain: one row per (request_id, item_id, event_type) of which several outcomes could count; none where each touch does.
-- Inputs: outcome_verdicts, policy.  Parameters: the one row of policy: touch (every, first).
-- Two outcomes of one instant are duplicates of each other, so the first is one row, and needs no other order.
SELECT v.request_id, v.item_id, v.event_type, min(v.ts_us) AS ts_us
FROM outcome_verdicts AS v
CROSS JOIN policy AS p
WHERE p.touch = 'first' AND v.fate = 'attributed'
GROUP BY v.request_id, v.item_id, v.event_type
HAVING count(*) > 1
