-- When the next lease ends.
-- Parameters: none
-- Returns: lease_until (ms)
-- Cost: one row
-- Called by: maintain.ts

SELECT lease_until FROM jobs WHERE state = 3 ORDER BY lease_until LIMIT 1
