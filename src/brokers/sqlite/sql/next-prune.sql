-- When the next retention is over.
-- Parameters: none
-- Returns: prune_at (ms)
-- Cost: one row
-- Called by: maintain.ts

SELECT prune_at FROM jobs WHERE prune_at IS NOT NULL ORDER BY prune_at LIMIT 1
