-- When the next retention is over.
-- Parameters: none
-- Returns: prune_at (ms)
-- Cost: one row
-- Called by: maintain.ts

SELECT prune_at FROM jobs INDEXED BY jobs_prune WHERE prune_at IS NOT NULL AND prune_at > 0 ORDER BY prune_at LIMIT 1
