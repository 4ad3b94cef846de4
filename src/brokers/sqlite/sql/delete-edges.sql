-- Lets go of the records that a job needed.
-- Parameters: child
-- Returns: nothing
-- Cost: O(dependencies)
-- Called by: moves.ts

DELETE FROM edges WHERE child = ?
