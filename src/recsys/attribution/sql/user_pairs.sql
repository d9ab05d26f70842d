-- Grain: one row per (user of the exposure, another user whom its outcomes name).
-- Inputs: outcome_fates.  Parameters: none.
-- An exposure whose user_id is only its request_id knew nobody, marked anonymous or not: nobody differs from that.
-- requests: the lists behind the n outcomes; named_for: of how many users' exposures this outcome user_id is named;
-- named_as: under how many user_ids the outcomes of this exposure user are. in_place: the request_id stands in for the
-- outcome's user. A pseudonym is 64 lower-case hex digits.
WITH pairs AS (
    SELECT
        exposure_user_id, user_id,
        count(*) AS n,
        count(DISTINCT request_id) AS requests,
        bool_or(user_id = request_id) AS in_place
    FROM outcome_fates
    WHERE user_mismatch AND fate <> 'duplicate' AND exposure_user_id <> request_id
    GROUP BY exposure_user_id, user_id
),

judged AS (
    SELECT
        *,
        length(exposure_user_id) = 64 AND length(translate(exposure_user_id, '0123456789abcdef', '')) = 0 AS shown_hash,
        length(user_id) = 64 AND length(translate(user_id, '0123456789abcdef', '')) = 0 AS named_hash
    FROM pairs
)

SELECT
    exposure_user_id, user_id, n, requests, in_place,
    CASE
        WHEN lower(trim(exposure_user_id)) = lower(trim(user_id)) THEN 'spelling'
        WHEN shown_hash AND named_hash THEN 'hashed'
        WHEN shown_hash THEN 'raw_outcome'
        WHEN named_hash THEN 'raw_exposure'
        ELSE 'raw'
    END AS form,
    count(*) OVER (PARTITION BY user_id) AS named_for,
    count(*) OVER (PARTITION BY exposure_user_id) AS named_as
FROM judged
