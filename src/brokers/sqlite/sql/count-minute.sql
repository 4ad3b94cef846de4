-- Adds to what a minute brought.
-- Parameters: minute_at (ms), queue, task, enqueued, succeeded, retried, failed, cancelled, crashed, ran_ms
-- Returns: nothing
-- Cost: one row
-- Called by: tally.ts, once a queue, task and transaction

INSERT INTO minutes (minute_at, queue, task, enqueued, succeeded, retried, failed, cancelled, crashed, ran_ms)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (minute_at, queue, task) DO UPDATE SET
  enqueued = enqueued + excluded.enqueued, succeeded = succeeded + excluded.succeeded,
  retried = retried + excluded.retried, failed = failed + excluded.failed, cancelled = cancelled + excluded.cancelled,
  crashed = crashed + excluded.crashed, ran_ms = ran_ms + excluded.ran_ms
