-- Grain: one row per request_id that several assignment rows of the experiment name.
-- Inputs: subject_assignments, experiment.  Parameters: the one row of experiment: experiment_id.
-- Healthy logs have few of these: only their rows need to be grouped in assigned_requests.
SELECT a.request_id
FROM subject_assignments AS a
INNER JOIN experiment AS x ON a.experiment_id = x.experiment_id
GROUP BY a.request_id
HAVING count(*) > 1
