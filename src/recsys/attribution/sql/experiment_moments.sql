-- Grain: one row per variant: additive sums over its units.
-- Inputs: experiment_unit_sums.  Parameters: none.
-- n: exposures, c: clicks, v: conversions, w and p: the whole and the fractional part of the sum of values. A name of
-- two letters is the sum of products. Each factor fits 64 bits; the products are summed in 38 digits.
WITH wide AS (
    SELECT
        variant, in_two_arms, no_value, odd_value,
        CAST(exposures AS DECIMAL(19, 0)) AS n,
        CAST(clicks AS DECIMAL(19, 0)) AS c,
        CAST(conversions AS DECIMAL(19, 0)) AS v,
        CAST(value_whole AS DECIMAL(19, 0)) AS w,
        CAST(value_part AS DECIMAL(19, 0)) AS p
    FROM experiment_unit_sums
)

SELECT
    variant,
    count(*) AS units,
    count(*) FILTER (WHERE in_two_arms) AS in_two_arms,
    count(*) FILTER (WHERE n > 0) AS exposed,
    sum(no_value) AS no_value,
    sum(odd_value) AS odd_value,
    sum(n) AS n, sum(n * n) AS nn,
    sum(c) AS c, sum(c * c) AS cc, sum(c * n) AS cn,
    sum(v) AS v, sum(v * v) AS vv, sum(v * n) AS vn,
    sum(w) AS w, sum(p) AS p,
    sum(w * w) AS ww, sum(w * p) AS wp, sum(p * p) AS pp,
    sum(w * n) AS wn, sum(p * n) AS pn
FROM wide
GROUP BY variant
