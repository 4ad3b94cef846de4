-- Removes a large input.
-- Parameters: job
-- Returns: nothing
-- Cost: one row
-- Called by: moves.ts

DELETE FROM payloads WHERE job = ?
