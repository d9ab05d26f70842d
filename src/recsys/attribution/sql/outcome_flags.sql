-- Grain: one row in all: flags of outcomes that do not change their fate.
-- Inputs: outcome_fates.  Parameters: none.
SELECT
    count(*) FILTER (WHERE conflicting) AS conflicting,
    count(*) FILTER (WHERE user_mismatch AND fate <> 'duplicate') AS user_mismatch,
    count(*) FILTER (WHERE anonymous AND fate <> 'duplicate') AS anonymous
FROM outcome_fates
