-- Grain: one row per valid outcome that is no duplicate, until as_of_us.
-- Inputs: outcome_fates, experiment.  Parameters: the one row of experiment: as_of_us (NULL: until the end of the log).
-- value_micros: the value of a conversion in millionths, rounded to the nearest, halves away from 0; of a refund it is
-- below 0. It is 0 for a click, for a conversion without a value, and for one beyond ±1,000,000,000,000 or not finite
-- (odd_value), which no sum of money is; up to there every millionth fits 64 bits.
WITH sized AS (
    SELECT
        o.request_id, o.user_id, o.event_type, o.ts_us, o.value, o.fate, o.exposure_user_id,
        CASE WHEN o.event_type = 'conversion' AND abs(o.value) <= 1e12 THEN abs(o.value) ELSE 0 END AS size
    FROM outcome_fates AS o
    CROSS JOIN experiment AS x
    WHERE o.fate <> 'duplicate' AND (x.as_of_us IS NULL OR o.ts_us <= x.as_of_us)
),

-- What is behind the point is split off first: a large value times a million is no longer exact
split AS (
    SELECT s.*, floor(s.size) AS whole, (s.size - floor(s.size)) * 1e6 AS part FROM sized AS s
),

rounded AS (
    SELECT
        s.*,
        CAST(s.whole AS BIGINT) * 1000000 + CAST(floor(s.part) AS BIGINT)
        + CASE WHEN s.part - floor(s.part) >= 0.5 THEN 1 ELSE 0 END AS size_micros
    FROM split AS s
)

SELECT
    request_id, user_id, event_type, ts_us, fate, exposure_user_id,
    CASE WHEN value < 0 THEN -size_micros ELSE size_micros END AS value_micros,
    event_type = 'conversion' AND value IS NULL AS no_value,
    coalesce(event_type = 'conversion' AND NOT abs(value) <= 1e12, FALSE) AS odd_value
FROM rounded
