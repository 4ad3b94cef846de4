-- Clears a limit.
-- Parameters: kind, name, source
-- Returns: nothing
-- Cost: one row
-- Called by: registry.ts

DELETE FROM rules WHERE kind = ? AND name = ? AND source = ?
