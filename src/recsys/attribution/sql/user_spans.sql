-- Grain: one row per (first bucket, last bucket) in which pseudonyms were shown something.
-- Inputs: exposures, doctor.
-- Parameters: the one row of doctor: bucket_us, the width of a bucket.
-- A pseudonym is a user_id of 64 lower-case hex digits; the anonymous are left out. first_us: when the first of these
-- users came first. 1970-01-01T00:00+14:00 is an instant of 1969: 10 days are added before // cuts, which is towards
-- zero; widths up to 10 days divide them.
WITH seen AS (
    SELECT user_id, min(ts_us) AS first_us, max(ts_us) AS last_us
    FROM exposures
    WHERE NOT anonymous AND length(user_id) = 64 AND length(translate(user_id, '0123456789abcdef', '')) = 0
    GROUP BY user_id
)

SELECT
    ((s.first_us + 864000000000) // d.bucket_us) * d.bucket_us - 864000000000 AS first_bucket_us,
    ((s.last_us + 864000000000) // d.bucket_us) * d.bucket_us - 864000000000 AS last_bucket_us,
    count(*) AS users,
    min(s.first_us) AS first_us
FROM seen AS s
CROSS JOIN doctor AS d
GROUP BY
    ((s.first_us + 864000000000) // d.bucket_us) * d.bucket_us - 864000000000,
    ((s.last_us + 864000000000) // d.bucket_us) * d.bucket_us - 864000000000
