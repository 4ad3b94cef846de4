-- Notes that a job has log lines or steps.
-- Parameters: flag, seq
-- Returns: nothing
-- Cost: one row
-- Called by: settle.ts

UPDATE jobs SET flags = flags | ? WHERE seq = ?
