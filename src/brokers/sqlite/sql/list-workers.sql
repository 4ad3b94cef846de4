-- Workers that are alive.
-- Parameters: now (ms)
-- Returns: info (JSON), seen_at (ms)
-- Cost: O(workers)
-- Called by: registry.ts

SELECT info, seen_at FROM workers WHERE until > ? ORDER BY id
