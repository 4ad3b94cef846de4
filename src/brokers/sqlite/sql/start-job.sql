-- Notes that a claimed job has started.
-- Parameters: claimed_at (ms), started_at (ms), id, token
-- Returns: changes one row or none
-- Cost: one row
-- Called by: settle.ts

UPDATE jobs SET started = 1, claimed_at = ?, started_at = ? WHERE id = ? AND token = ? AND state = 3 AND started = 0
