-- Waiting jobs that have not begun and have expired.
-- Parameters: now (ms), most
-- Returns: seq
-- Cost: O(most)
-- Called by: maintain.ts

SELECT seq FROM jobs INDEXED BY jobs_expires
WHERE expires_at IS NOT NULL AND state < 3 AND begun = 0 AND expires_at <= ? ORDER BY expires_at LIMIT ?
