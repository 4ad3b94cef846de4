-- Writes what is used of a scope.
-- Parameters: key, queue, active, rate (JSON), open_at (ms), idle_at (ms)
-- Returns: nothing
-- Cost: one row
-- Called by: scopes.ts

INSERT INTO scopes (key, queue, active, rate, open_at, idle_at) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET
  active = excluded.active, rate = excluded.rate, open_at = excluded.open_at, idle_at = excluded.idle_at
