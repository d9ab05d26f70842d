-- Grain: one row per user of the log: what one policy gives it more than the reference does. The columns, and its place,
-- are those of experiment_unit_sums.
-- Inputs: policy_unit_sums, reference_unit_sums: experiment_unit_sums under the policy, and under the reference.
-- Parameters: none.
-- All policies have the same users and exposures, so that nothing is lost by the join.
SELECT
    p.user_id, p.variant, p.in_two_arms, p.exposures,
    p.clicks - r.clicks AS clicks,
    p.conversions - r.conversions AS conversions,
    p.value_whole - r.value_whole AS value_whole,
    p.value_part - r.value_part AS value_part,
    p.no_value, p.odd_value
FROM policy_unit_sums AS p
INNER JOIN reference_unit_sums AS r ON p.user_id = r.user_id
