-- Grain: one row in all.
-- Inputs: inferred_credits.  Parameters: none.
-- Each orphan that was credited counts once, among however many exposures it is shared.
SELECT count(*) AS inferred FROM inferred_credits WHERE place = 1
