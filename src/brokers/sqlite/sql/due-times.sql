-- When the next scheduled job of each queue is due.
-- Parameters: none
-- Returns: due_at (ms)
-- Cost: O(queues)
-- Called by: maintain.ts

SELECT at FROM (
  SELECT (SELECT due_at FROM jobs INDEXED BY jobs_due WHERE jobs.state = 1 AND jobs.queue = queues.queue ORDER BY due_at LIMIT 1) AS at
  FROM queues
) WHERE at IS NOT NULL
