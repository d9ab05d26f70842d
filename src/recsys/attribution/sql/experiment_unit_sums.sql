-- Grain: one row per unit, those that were shown nothing or did nothing too.
-- Inputs: experiment_lists, experiment_outcomes.  Parameters: none.
-- The sum of values is value_whole · 1000000 + value_part millionths: each fits 64 bits for millions of rows.
WITH done AS (
    SELECT
        user_id,
        count(*) FILTER (WHERE event_type = 'click') AS clicks,
        count(*) FILTER (WHERE event_type = 'conversion') AS conversions,
        sum(value_micros // 1000000) AS value_whole,
        sum(value_micros % 1000000) AS value_part,
        count(*) FILTER (WHERE no_value) AS no_value,
        count(*) FILTER (WHERE odd_value) AS odd_value
    FROM experiment_outcomes
    GROUP BY user_id
)

SELECT
    u.user_id, u.variant, u.in_two_arms, u.exposures,
    CAST(coalesce(d.clicks, 0) AS BIGINT) AS clicks,
    CAST(coalesce(d.conversions, 0) AS BIGINT) AS conversions,
    CAST(coalesce(d.value_whole, 0) AS BIGINT) AS value_whole,
    CAST(coalesce(d.value_part, 0) AS BIGINT) AS value_part,
    CAST(coalesce(d.no_value, 0) AS BIGINT) AS no_value,
    CAST(coalesce(d.odd_value, 0) AS BIGINT) AS odd_value
FROM experiment_lists AS u
LEFT JOIN done AS d ON u.user_id = d.user_id
