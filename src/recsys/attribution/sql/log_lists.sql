-- Grain: one row per user of the whole log, with the number of exposures. It stands in for experiment_lists where the
-- log as a whole is looked at; its one arm is called ''.
-- Inputs: exposures.  Parameters: none.
-- Every distinct exposure counts, also an ambiguous one, which attracts nothing; who is anonymous is a unit a request.
SELECT user_id, '' AS variant, FALSE AS in_two_arms, count(*) AS exposures FROM exposures GROUP BY user_id
