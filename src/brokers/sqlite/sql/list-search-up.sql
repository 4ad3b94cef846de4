-- Narrow rows of jobs with a search field, in the order of enqueueing, oldest first.
-- Parameters: field, value, after this seq, most
-- Returns: seq, state, task, queue, partition, workflow, created_at, flags
-- Cost: O(most)
-- Called by: select.ts

SELECT jobs.seq, jobs.state, jobs.task, jobs.queue, jobs.partition, jobs.workflow, jobs.created_at, jobs.flags
FROM search CROSS JOIN jobs ON jobs.seq = search.job
WHERE search.field = ? AND search.value = ? AND search.job > ? ORDER BY search.job ASC LIMIT ?
