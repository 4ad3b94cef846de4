-- When the next scheduled job of a queue is due.
-- Parameters: queue
-- Returns: due_at (ms)
-- Cost: one row
-- Called by: reserve.ts

SELECT due_at FROM jobs INDEXED BY jobs_due WHERE state = 1 AND queue = ? ORDER BY due_at, seq LIMIT 1
