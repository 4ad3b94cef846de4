-- What the minutes of a time brought.
-- Parameters: from (ms), to (ms, excluded)
-- Returns: all columns, oldest first
-- Cost: O(minutes * queues * tasks) in the time
-- Called by: registry.ts

SELECT minute_at, queue, task, enqueued, succeeded, retried, failed, cancelled, crashed, ran_ms
FROM minutes WHERE minute_at >= ? AND minute_at < ? ORDER BY minute_at, queue, task
