-- The name of a number.
-- Parameters: id
-- Returns: name
-- Cost: one row
-- Called by: names.ts

SELECT name FROM names WHERE id = ?
