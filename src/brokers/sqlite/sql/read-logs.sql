-- Lines of a job's log.
-- Parameters: id of the job, after this seq
-- Returns: seq, at (ms), token, level, text, in order
-- Cost: at most 1000 rows
-- Called by: registry.ts

SELECT logs.seq, logs.at, logs.token, logs.level, logs.text
FROM jobs JOIN logs ON logs.job = jobs.seq WHERE jobs.id = ? AND logs.seq > ? ORDER BY logs.seq LIMIT 1000
