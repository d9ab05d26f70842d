-- Grain: one row per distinct exposure of the whole log until as_of_us. It stands in for experiment_exposures where
-- there is no experiment: the one arm is called ''.
-- Inputs: exposures, experiment.
-- Parameters: the one row of experiment: as_of_us (NULL: until the end of the log) and window_us.
-- standing says whether it counts, or why not: anonymous, ambiguous, too_recent (its window was open at as_of_us).
SELECT
    e.request_id, e.user_id, '' AS variant, e.ts_us, e.n_items, e.error, e.latency_ms, e.ambiguous,
    e.slice_1, e.slice_2, e.slice_3, e.slice_4, e.slice_5, e.slice_6, e.slice_7, e.slice_8,
    CASE
        WHEN e.anonymous OR e.user_id = e.request_id THEN 'anonymous'
        WHEN e.ambiguous THEN 'ambiguous'
        WHEN e.ts_us + x.window_us > x.as_of_us THEN 'too_recent'
        ELSE 'counts'
    END AS standing
FROM exposures AS e
CROSS JOIN experiment AS x
WHERE x.as_of_us IS NULL OR e.ts_us <= x.as_of_us
