-- When the next waiting job expires.
-- Parameters: none
-- Returns: expires_at (ms)
-- Cost: one row
-- Called by: maintain.ts

SELECT expires_at FROM jobs INDEXED BY jobs_expires
WHERE expires_at IS NOT NULL AND state < 3 AND begun = 0 AND expires_at > 0 ORDER BY expires_at LIMIT 1
