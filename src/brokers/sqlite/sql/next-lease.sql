-- When the next lease ends.
-- Parameters: none
-- Returns: lease_until (ms)
-- Cost: one row
-- Called by: maintain.ts

SELECT lease_until FROM jobs INDEXED BY jobs_lease WHERE state = 3 AND lease_until > 0 ORDER BY lease_until LIMIT 1
