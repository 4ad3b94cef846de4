-- A worker has left.
-- Parameters: id
-- Returns: nothing
-- Cost: one row
-- Called by: registry.ts

DELETE FROM workers WHERE id = ?
