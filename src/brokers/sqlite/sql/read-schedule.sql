-- A schedule.
-- Parameters: id
-- Returns: id, rule (JSON), job (JSON), codec, input, next_at (ms), last_at (ms), paused
-- Cost: one row
-- Called by: registry.ts

SELECT id, rule, job, codec, input, next_at, last_at, paused FROM schedules WHERE id = ?
