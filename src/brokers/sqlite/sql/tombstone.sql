-- The last outcome of a job that is gone.
-- Parameters: id, now (ms)
-- Returns: settled (token and kind)
-- Cost: one row
-- Called by: settle.ts

SELECT settled FROM tombstones WHERE id = ? AND until > ?
