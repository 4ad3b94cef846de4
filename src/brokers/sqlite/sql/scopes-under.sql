-- The scopes of a rule.
-- Parameters: first and last key
-- Returns: key
-- Cost: O(scopes of the rule)
-- Called by: registry.ts

SELECT key FROM scopes WHERE key >= ? AND key < ?
