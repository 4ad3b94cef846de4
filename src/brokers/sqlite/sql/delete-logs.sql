-- Removes a job's log.
-- Parameters: job
-- Returns: nothing
-- Cost: O(lines)
-- Called by: moves.ts

DELETE FROM logs WHERE job = ?
