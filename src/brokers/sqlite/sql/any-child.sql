-- Whether an unfinished job needs a record.
-- Parameters: parent
-- Returns: 1
-- Cost: one row
-- Called by: moves.ts

SELECT 1 FROM edges WHERE parent = ? LIMIT 1
