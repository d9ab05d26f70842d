-- Grain: one row per distinct exposure.
-- Inputs: staged_exposures, repeated_requests, settled_exposures.  Parameters: none.
-- shown: the item ids by ordinal rank, each once. ambiguous: another list stands under the same request_id.
SELECT
    s.request_id, s.user_id, s.ts_us, s.shown, s.odd_pairs, s.n_items,
    s.repeated_rank, s.repeated_item, s.rank_gap, s.zero_propensity,
    s.latency_ms, s.error, s.anonymous,
    s.slice_1, s.slice_2, s.slice_3, s.slice_4, s.slice_5, s.slice_6, s.slice_7, s.slice_8,
    FALSE AS ambiguous
FROM staged_exposures AS s
WHERE NOT EXISTS (SELECT 1 FROM repeated_requests AS r WHERE r.request_id = s.request_id)
UNION ALL
SELECT
    request_id, user_id, ts_us, shown, odd_pairs, n_items,
    repeated_rank, repeated_item, rank_gap, zero_propensity,
    latency_ms, error, anonymous,
    slice_1, slice_2, slice_3, slice_4, slice_5, slice_6, slice_7, slice_8,
    ambiguous
FROM settled_exposures
