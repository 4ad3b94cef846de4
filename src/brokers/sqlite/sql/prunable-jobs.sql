-- Ended jobs whose retention is over.
-- Parameters: now (ms), most
-- Returns: seq
-- Cost: O(most)
-- Called by: maintain.ts

SELECT seq FROM jobs INDEXED BY jobs_prune WHERE prune_at IS NOT NULL AND prune_at <= ? ORDER BY prune_at LIMIT ?
