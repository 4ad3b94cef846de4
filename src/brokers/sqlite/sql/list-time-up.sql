-- Narrow rows of jobs of any kind, in the order of enqueueing, oldest first.
-- Parameters: after this seq, most
-- Returns: seq, state, task, queue, partition, workflow, created_at, flags
-- Cost: O(most)
-- Called by: select.ts

SELECT seq, state, task, queue, partition, workflow, created_at, flags FROM jobs
WHERE seq > ? ORDER BY seq ASC LIMIT ?
