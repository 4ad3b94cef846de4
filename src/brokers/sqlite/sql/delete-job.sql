-- Removes a job's row.
-- Parameters: seq
-- Returns: nothing
-- Cost: one row and its indexes
-- Called by: moves.ts

DELETE FROM jobs WHERE seq = ?
