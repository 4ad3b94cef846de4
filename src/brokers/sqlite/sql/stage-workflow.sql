-- Notes that a workflow has staged jobs.
-- Parameters: workflow, now (ms)
-- Returns: nothing
-- Cost: one row
-- Called by: enqueue.ts

INSERT INTO workflows (workflow, staged_at) VALUES (?, ?)
ON CONFLICT (workflow) DO UPDATE SET staged_at = excluded.staged_at
