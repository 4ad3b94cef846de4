-- The number of a name.
-- Parameters: name
-- Returns: id
-- Cost: one row
-- Called by: names.ts

SELECT id FROM names WHERE name = ?
