-- Notes that others need a job's record, which stays as long as they do.
-- Parameters: flag, seq
-- Returns: nothing
-- Cost: one row
-- Called by: moves.ts

UPDATE jobs SET flags = flags | ?, prune_at = NULL WHERE seq = ?
