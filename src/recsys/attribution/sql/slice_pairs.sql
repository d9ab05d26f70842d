-- Grain: one row per (slicing key, matched, value of the exposure, value in the outcome's own context).
-- Inputs: outcome_fates, staged_outcomes, exposures.  Parameters: none.
-- Outcomes without an own value, and duplicates, are left out. key: 1 is the first slicing key. matched: the outcome
-- found its exposure, whose value counts (NULL where the exposure has none); the others count under their own.
WITH told AS (
    SELECT
        e.request_id IS NOT NULL AS matched,
        e.slice_1 AS shown_1, e.slice_2 AS shown_2, e.slice_3 AS shown_3, e.slice_4 AS shown_4,
        e.slice_5 AS shown_5, e.slice_6 AS shown_6, e.slice_7 AS shown_7, e.slice_8 AS shown_8,
        o.slice_1 AS own_1, o.slice_2 AS own_2, o.slice_3 AS own_3, o.slice_4 AS own_4,
        o.slice_5 AS own_5, o.slice_6 AS own_6, o.slice_7 AS own_7, o.slice_8 AS own_8,
        count(*) AS n
    FROM outcome_fates AS f
    INNER JOIN staged_outcomes AS o ON f.row_number = o.row_number
    LEFT JOIN exposures AS e ON f.request_id = e.request_id AND NOT e.ambiguous
    WHERE f.fate <> 'duplicate'
    GROUP BY
        e.request_id IS NOT NULL,
        e.slice_1, e.slice_2, e.slice_3, e.slice_4, e.slice_5, e.slice_6, e.slice_7, e.slice_8,
        o.slice_1, o.slice_2, o.slice_3, o.slice_4, o.slice_5, o.slice_6, o.slice_7, o.slice_8
),

by_key AS (
    SELECT 1 AS key, matched, shown_1 AS exposure_value, own_1 AS own_value, n FROM told
    UNION ALL
    SELECT 2 AS key, matched, shown_2 AS exposure_value, own_2 AS own_value, n FROM told
    UNION ALL
    SELECT 3 AS key, matched, shown_3 AS exposure_value, own_3 AS own_value, n FROM told
    UNION ALL
    SELECT 4 AS key, matched, shown_4 AS exposure_value, own_4 AS own_value, n FROM told
    UNION ALL
    SELECT 5 AS key, matched, shown_5 AS exposure_value, own_5 AS own_value, n FROM told
    UNION ALL
    SELECT 6 AS key, matched, shown_6 AS exposure_value, own_6 AS own_value, n FROM told
    UNION ALL
    SELECT 7 AS key, matched, shown_7 AS exposure_value, own_7 AS own_value, n FROM told
    UNION ALL
    SELECT 8 AS key, matched, shown_8 AS exposure_value, own_8 AS own_value, n FROM told
)

SELECT key, matched, exposure_value, own_value, sum(n) AS n
FROM by_key
WHERE own_value IS NOT NULL
GROUP BY key, matched, exposure_value, own_value
