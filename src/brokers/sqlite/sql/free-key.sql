-- Frees a unique key that a job holds.
-- Parameters: key, job
-- Returns: nothing
-- Cost: one row
-- Called by: moves.ts, reserve.ts

DELETE FROM unique_keys WHERE key = ? AND job = ?
