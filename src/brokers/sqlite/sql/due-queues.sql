-- Queues in which a scheduled job is due.
-- Parameters: now (ms)
-- Returns: queue
-- Cost: O(queues)
-- Called by: maintain.ts

SELECT queue FROM queues
WHERE EXISTS (SELECT 1 FROM jobs INDEXED BY jobs_due WHERE jobs.state = 1 AND jobs.queue = queues.queue AND jobs.due_at <= ?)
