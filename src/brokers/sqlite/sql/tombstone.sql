-- The token that recorded the last outcome of a job that is gone.
-- Parameters: id, now (ms)
-- Returns: token
-- Cost: one row
-- Called by: settle.ts

SELECT token FROM tombstones WHERE id = ? AND until > ?
