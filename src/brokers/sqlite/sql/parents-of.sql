-- Whose records a job needs.
-- Parameters: child
-- Returns: parent
-- Cost: O(dependencies)
-- Called by: moves.ts

SELECT parent FROM edges WHERE child = ?
