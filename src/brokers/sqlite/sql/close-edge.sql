-- Notes that an outcome has reached a dependent.
-- Parameters: parent, child
-- Returns: nothing
-- Cost: one row
-- Called by: dependents.ts

UPDATE edges SET open = 0 WHERE parent = ? AND child = ?
