-- Opens all lanes that wait on the scopes of a rule which has changed.
-- Parameters: first and last key of the scopes
-- Returns: queue of each
-- Cost: O(lanes that wait)
-- Called by: registry.ts

UPDATE lanes SET waits = NULL WHERE waits IS NOT NULL AND waits >= ? AND waits < ? RETURNING queue
