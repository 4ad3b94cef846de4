-- What is used of a scope.
-- Parameters: key
-- Returns: active, rate (JSON), open_at (ms), idle_at (ms)
-- Cost: one row
-- Called by: scopes.ts

SELECT active, rate, open_at, idle_at FROM scopes WHERE key = ?
