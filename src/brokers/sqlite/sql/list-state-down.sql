-- Narrow rows of jobs in a state, in the order of enqueueing, newest first.
-- Parameters: state, before this seq, most
-- Returns: seq, state, task, queue, partition, workflow, created_at, flags
-- Cost: O(most)
-- Called by: select.ts

SELECT seq, state, task, queue, partition, workflow, created_at, flags FROM jobs INDEXED BY jobs_state
WHERE state = ? AND seq < ? ORDER BY seq DESC LIMIT ?
