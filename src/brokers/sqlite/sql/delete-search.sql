-- Undoes insert-search.
-- Parameters: field, value, job
-- Returns: nothing
-- Cost: one row
-- Called by: moves.ts

DELETE FROM search WHERE field = ? AND value = ? AND job = ?
