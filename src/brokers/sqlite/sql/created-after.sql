-- The first job from a number on, and when it was enqueued.
-- Parameters: seq
-- Returns: seq, created_at (ms)
-- Cost: one row
-- Called by: select.ts, some twenty times for a time

SELECT seq, created_at FROM jobs WHERE seq >= ? ORDER BY seq LIMIT 1
