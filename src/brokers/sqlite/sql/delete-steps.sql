-- Removes a job's steps.
-- Parameters: job
-- Returns: nothing
-- Cost: O(steps)
-- Called by: moves.ts

DELETE FROM steps WHERE job = ?
