-- The last line of a job's log.
-- Parameters: job
-- Returns: seq
-- Cost: one row
-- Called by: settle.ts

SELECT seq FROM logs WHERE job = ? ORDER BY seq DESC LIMIT 1
