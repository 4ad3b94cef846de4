-- Adds a line to a job's log.
-- Parameters: job, seq, at (ms), token, level, text
-- Returns: nothing
-- Cost: one row
-- Called by: settle.ts

INSERT INTO logs (job, seq, at, token, level, text) VALUES (?, ?, ?, ?, ?, ?)
