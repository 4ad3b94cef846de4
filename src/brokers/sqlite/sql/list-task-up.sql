-- Narrow rows of jobs of a task, in the order of enqueueing, oldest first.
-- Parameters: task, after this seq, most
-- Returns: seq, state, task, queue, partition, workflow, created_at, flags
-- Cost: O(most)
-- Called by: select.ts

SELECT seq, state, task, queue, partition, workflow, created_at, flags FROM jobs INDEXED BY jobs_task
WHERE task = ? AND seq > ? ORDER BY seq ASC LIMIT ?
