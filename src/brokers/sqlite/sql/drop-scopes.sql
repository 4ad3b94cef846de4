-- Forgets scopes whose last start has left the window and of which nothing else is used.
-- Parameters: now (ms), most
-- Returns: nothing
-- Cost: O(most)
-- Called by: maintain.ts

DELETE FROM scopes WHERE key IN
  (SELECT key FROM scopes WHERE idle_at IS NOT NULL AND idle_at <= ? ORDER BY idle_at LIMIT ?)
  AND active = 0 AND open_at IS NULL
