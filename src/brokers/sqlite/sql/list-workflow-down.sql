-- Narrow rows of jobs of a workflow, in the order of enqueueing, newest first.
-- Parameters: workflow, before this seq, most
-- Returns: seq, state, task, queue, partition, workflow, created_at, flags
-- Cost: O(most)
-- Called by: select.ts

SELECT seq, state, task, queue, partition, workflow, created_at, flags FROM jobs INDEXED BY jobs_workflow
WHERE workflow = ? AND workflow IS NOT NULL AND seq < ? ORDER BY seq DESC LIMIT ?
