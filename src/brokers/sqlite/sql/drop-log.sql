-- Drops the oldest lines of a job's log.
-- Parameters: job, seq of the last to go
-- Returns: nothing
-- Cost: one row as a rule
-- Called by: settle.ts

DELETE FROM logs WHERE job = ? AND seq <= ?
