-- Says when a record may go.
-- Parameters: prune_at (ms), seq
-- Returns: nothing
-- Cost: one row
-- Called by: moves.ts

UPDATE jobs SET prune_at = ? WHERE seq = ?
