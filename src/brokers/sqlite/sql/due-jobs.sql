-- Scheduled jobs of a queue whose time has come.
-- Parameters: queue, now (ms), most
-- Returns: seq, task, partition, suspect, id, due_at, the earliest first
-- Cost: O(most)
-- Called by: reserve.ts

SELECT seq, task, partition, suspect, id, due_at FROM jobs INDEXED BY jobs_due
WHERE state = 1 AND queue = ? AND due_at <= ? ORDER BY due_at, seq LIMIT ?
