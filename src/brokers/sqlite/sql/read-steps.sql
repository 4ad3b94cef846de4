-- A job's steps.
-- Parameters: id of the job
-- Returns: name, at (ms), codec, value, in the order of writing
-- Cost: O(steps of the job)
-- Called by: registry.ts

SELECT steps.name, steps.at, steps.codec, steps.value
FROM jobs JOIN steps ON steps.job = jobs.seq WHERE jobs.id = ? ORDER BY steps.ord
