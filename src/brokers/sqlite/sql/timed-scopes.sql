-- Scopes of a queue on whose rate lanes wait, the earliest first.
-- Parameters: queue, most
-- Returns: key
-- Cost: O(most)
-- Called by: lanes.ts

SELECT key FROM scopes WHERE queue = ? AND open_at IS NOT NULL ORDER BY open_at LIMIT ?
