-- A worker's sign of life.
-- Parameters: id, info (JSON), seen_at (ms), until (ms)
-- Returns: nothing
-- Cost: one row
-- Called by: registry.ts

INSERT INTO workers (id, info, seen_at, until) VALUES (?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET info = excluded.info, seen_at = excluded.seen_at, until = excluded.until
