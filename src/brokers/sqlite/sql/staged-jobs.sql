-- Staged jobs of a workflow.
-- Parameters: workflow, last seq, most
-- Returns: seq
-- Cost: O(most)
-- Called by: dependents.ts, maintain.ts

SELECT seq FROM jobs INDEXED BY jobs_staged
WHERE workflow = ? AND workflow IS NOT NULL AND (flags & 128) <> 0 AND seq <= ? ORDER BY seq LIMIT ?
