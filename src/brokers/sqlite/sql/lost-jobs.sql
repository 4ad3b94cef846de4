-- Active jobs whose lease has ended.
-- Parameters: now (ms), most
-- Returns: seq
-- Cost: O(most)
-- Called by: maintain.ts

SELECT seq FROM jobs INDEXED BY jobs_lease WHERE state = 3 AND lease_until <= ? ORDER BY lease_until LIMIT ?
