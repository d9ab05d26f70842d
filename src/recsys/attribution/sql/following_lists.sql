-- Grain: one row per exposure that follows another of the same user, tenant and surface within some seconds.
-- Inputs: exposures, doctor.
-- Parameters: the one row of doctor: same_list_us, replaced_us. slice_1 and slice_2 are the tenant and the surface.
-- same_list: both lists are alike, and not empty, and same_list_us or less apart. replaced: another list, which is not
-- empty, was there before it for replaced_us or less. The anonymous, each a user of its own, follow nobody.
WITH gaps AS (
    SELECT
        e.request_id, e.user_id, e.slice_1, e.slice_2, e.ts_us,
        lag(e.request_id) OVER of_user AS previous_request_id,
        e.ts_us - lag(e.ts_us) OVER of_user AS gap_us
    FROM exposures AS e
    WHERE NOT e.anonymous AND NOT e.ambiguous
    WINDOW of_user AS (PARTITION BY e.user_id, e.slice_1, e.slice_2 ORDER BY e.ts_us, e.request_id)
),

-- Few lists follow another so soon: only theirs are compared
close AS (
    SELECT g.request_id, g.previous_request_id, g.ts_us, g.gap_us, d.same_list_us, d.replaced_us
    FROM gaps AS g
    CROSS JOIN doctor AS d
    WHERE g.gap_us <= greatest(d.same_list_us, d.replaced_us)
)

SELECT
    c.request_id, c.previous_request_id, c.ts_us, c.gap_us,
    now.shown = before.shown AND now.n_items > 0 AND c.gap_us <= c.same_list_us AS same_list,
    now.shown <> before.shown AND before.n_items > 0 AND c.gap_us <= c.replaced_us AS replaced
FROM close AS c
INNER JOIN exposures AS now ON c.request_id = now.request_id AND NOT now.ambiguous
INNER JOIN exposures AS before ON c.previous_request_id = before.request_id AND NOT before.ambiguous
