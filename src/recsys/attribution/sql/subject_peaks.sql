-- Grain: one row per user, the anonymous left out: how much, and how fast.
-- Inputs: exposures, outcome_fates.  Parameters: none.
-- 1970-01-01T00:00+14:00 is an instant of 1969: a day is added before // cuts, which is towards zero, and taken off.
-- An outcome is of its exposure's user; orphans are of nobody. *_minute, *_day: the most within one minute or day (UTC).
WITH shown AS (
    SELECT user_id, (ts_us + 86400000000) // 60000000 AS minute, count(*) AS n
    FROM exposures
    WHERE NOT anonymous
    GROUP BY user_id, (ts_us + 86400000000) // 60000000
),

days AS (
    SELECT user_id, minute // 1440 AS day, sum(n) AS n FROM shown GROUP BY user_id, minute // 1440
),

day_peaks AS (
    SELECT user_id, sum(n) AS exposures, max(n) AS exposures_day FROM days GROUP BY user_id
),

minute_peaks AS (
    SELECT user_id, max(n) AS exposures_minute FROM shown GROUP BY user_id
),

done AS (
    SELECT exposure_user_id AS user_id, (ts_us + 86400000000) // 60000000 AS minute, count(*) AS n
    FROM outcome_fates
    WHERE exposure_user_id IS NOT NULL AND NOT anonymous AND fate <> 'duplicate'
    GROUP BY exposure_user_id, (ts_us + 86400000000) // 60000000
),

outcome_peaks AS (
    SELECT user_id, sum(n) AS outcomes, max(n) AS outcomes_minute FROM done GROUP BY user_id
)

SELECT
    d.user_id,
    CAST(d.exposures AS BIGINT) AS exposures,
    m.exposures_minute,
    CAST(d.exposures_day AS BIGINT) AS exposures_day,
    CAST(coalesce(o.outcomes, 0) AS BIGINT) AS outcomes,
    coalesce(o.outcomes_minute, 0) AS outcomes_minute
FROM day_peaks AS d
INNER JOIN minute_peaks AS m ON d.user_id = m.user_id
LEFT JOIN outcome_peaks AS o ON d.user_id = o.user_id
