-- Frees the unique key that a job holds.
-- Parameters: job
-- Returns: nothing
-- Cost: one row
-- Called by: moves.ts, reserve.ts

DELETE FROM unique_keys WHERE job = ?
