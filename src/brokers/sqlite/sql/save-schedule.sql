-- Creates or replaces a schedule.
-- Parameters: id, rule (JSON), job (JSON), codec, input, next_at (ms), last_at (ms), paused (0 or 1)
-- Returns: nothing
-- Cost: one row
-- Called by: registry.ts

INSERT INTO schedules (id, rule, job, codec, input, next_at, last_at, paused)
VALUES (?, ?, ?, ?, coalesce(?, x''), ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET
  rule = excluded.rule, job = excluded.job, codec = excluded.codec, input = excluded.input, next_at = excluded.next_at,
  last_at = excluded.last_at, paused = excluded.paused
