-- Grain: one row per length of a list.
-- Inputs: exposures.  Parameters: none.
SELECT n_items, count(*) AS n FROM exposures GROUP BY n_items ORDER BY n_items
