-- Grain: one row in all: the outcomes that joined no exposure, orphan and ambiguous ones, and how they lie on users.
-- Inputs: valued_outcomes.  Parameters: none.
-- cc, vv: sums over the users whom the outcomes name of the squares of their clicks, of their conversions. Of values
-- those above 0 are raising (r), the sizes of those below 0 lowering (l), each as whole (w) · 1000000 + part (p)
-- millionths, with the sums over users of the products of both. largest: the largest value of any conversion.
WITH per_user AS (
    SELECT
        user_id,
        count(*) FILTER (WHERE event_type = 'click' AND fate = 'orphan') AS orphan_clicks,
        count(*) FILTER (WHERE event_type = 'click' AND fate = 'ambiguous') AS ambiguous_clicks,
        count(*) FILTER (WHERE event_type = 'conversion' AND fate = 'orphan') AS orphan_conversions,
        count(*) FILTER (WHERE event_type = 'conversion' AND fate = 'ambiguous') AS ambiguous_conversions,
        sum(CASE WHEN value_micros > 0 THEN value_micros // 1000000 ELSE 0 END) AS raising_whole,
        sum(CASE WHEN value_micros > 0 THEN value_micros % 1000000 ELSE 0 END) AS raising_part,
        sum(CASE WHEN value_micros < 0 THEN -value_micros // 1000000 ELSE 0 END) AS lowering_whole,
        sum(CASE WHEN value_micros < 0 THEN -value_micros % 1000000 ELSE 0 END) AS lowering_part
    FROM valued_outcomes
    WHERE fate IN ('orphan', 'ambiguous')
    GROUP BY user_id
),

wide AS (
    SELECT
        orphan_clicks, ambiguous_clicks, orphan_conversions, ambiguous_conversions,
        CAST(orphan_clicks + ambiguous_clicks AS DECIMAL(19, 0)) AS c,
        CAST(orphan_conversions + ambiguous_conversions AS DECIMAL(19, 0)) AS v,
        CAST(raising_whole AS DECIMAL(19, 0)) AS rw,
        CAST(raising_part AS DECIMAL(19, 0)) AS rp,
        CAST(lowering_whole AS DECIMAL(19, 0)) AS lw,
        CAST(lowering_part AS DECIMAL(19, 0)) AS lp
    FROM per_user
),

summed AS (
    SELECT
        coalesce(sum(orphan_clicks), 0) AS orphan_clicks,
        coalesce(sum(ambiguous_clicks), 0) AS ambiguous_clicks,
        coalesce(sum(orphan_conversions), 0) AS orphan_conversions,
        coalesce(sum(ambiguous_conversions), 0) AS ambiguous_conversions,
        coalesce(sum(c * c), 0) AS cc,
        coalesce(sum(v * v), 0) AS vv,
        coalesce(sum(rw), 0) AS rw, coalesce(sum(rp), 0) AS rp,
        coalesce(sum(rw * rw), 0) AS rwrw, coalesce(sum(rw * rp), 0) AS rwrp, coalesce(sum(rp * rp), 0) AS rprp,
        coalesce(sum(lw), 0) AS lw, coalesce(sum(lp), 0) AS lp,
        coalesce(sum(lw * lw), 0) AS lwlw, coalesce(sum(lw * lp), 0) AS lwlp, coalesce(sum(lp * lp), 0) AS lplp
    FROM wide
),

largest AS (
    SELECT coalesce(max(value_micros), 0) AS value_micros FROM valued_outcomes
)

SELECT
    s.orphan_clicks, s.ambiguous_clicks, s.orphan_conversions, s.ambiguous_conversions, s.cc, s.vv,
    s.rw, s.rp, s.rwrw, s.rwrp, s.rprp, s.lw, s.lp, s.lwlw, s.lwlp, s.lplp,
    CASE WHEN l.value_micros > 0 THEN l.value_micros ELSE 0 END AS largest
FROM summed AS s
CROSS JOIN largest AS l
