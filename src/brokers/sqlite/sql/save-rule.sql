-- Sets a limit.
-- Parameters: kind, name, source, concurrency, rate_count, rate_per_ms (ms)
-- Returns: nothing
-- Cost: one row
-- Called by: registry.ts

INSERT INTO rules (kind, name, source, concurrency, rate_count, rate_per_ms) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (kind, name, source) DO UPDATE SET
  concurrency = excluded.concurrency, rate_count = excluded.rate_count, rate_per_ms = excluded.rate_per_ms
