-- Forgets a scope of which nothing is used.
-- Parameters: key
-- Returns: nothing
-- Cost: one row
-- Called by: scopes.ts, registry.ts

DELETE FROM scopes WHERE key = ?
