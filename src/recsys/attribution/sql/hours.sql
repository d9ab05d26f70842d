-- Grain: one row per hour (UTC, counted from 1970-01-01) in which something was shown or done.
-- Inputs: exposures, outcome_fates.  Parameters: none.
-- 1970-01-01T00:00+14:00 is an instant of 1969: a day is added before // cuts, which is towards zero, and taken off.
-- outcomes: those that count in the match rate (no duplicates); matched: those that found their exposure.
WITH shown AS (
    SELECT (ts_us + 86400000000) // 3600000000 - 24 AS hour, count(*) AS exposures
    FROM exposures
    GROUP BY (ts_us + 86400000000) // 3600000000 - 24
),

done AS (
    SELECT
        (ts_us + 86400000000) // 3600000000 - 24 AS hour,
        count(*) FILTER (WHERE fate <> 'duplicate') AS outcomes,
        count(*) FILTER (WHERE fate NOT IN ('duplicate', 'orphan', 'ambiguous')) AS matched
    FROM outcome_fates
    GROUP BY (ts_us + 86400000000) // 3600000000 - 24
)

SELECT
    coalesce(s.hour, d.hour) AS hour,
    coalesce(s.exposures, 0) AS exposures,
    coalesce(d.outcomes, 0) AS outcomes,
    coalesce(d.matched, 0) AS matched
FROM shown AS s
FULL OUTER JOIN done AS d ON s.hour = d.hour
ORDER BY hour
