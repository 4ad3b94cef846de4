-- Dependents that an outcome has not reached.
-- Parameters: parent, most
-- Returns: child, needs_success
-- Cost: O(most)
-- Called by: dependents.ts

SELECT child, needs_success FROM edges INDEXED BY edges_open WHERE parent = ? AND open = 1 ORDER BY child LIMIT ?
