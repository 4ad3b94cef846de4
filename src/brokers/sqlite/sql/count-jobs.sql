-- Changes how many jobs of a queue are in each state; makes the queue known.
-- Parameters: queue, and by how much blocked, scheduled, ready, active, succeeded, failed, cancelled change
-- Returns: nothing
-- Cost: one row
-- Called by: tally.ts, once a queue and transaction

INSERT INTO queues (queue, blocked, scheduled, ready, active, succeeded, failed, cancelled)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (queue) DO UPDATE SET
  blocked = blocked + excluded.blocked, scheduled = scheduled + excluded.scheduled, ready = ready + excluded.ready,
  active = active + excluded.active, succeeded = succeeded + excluded.succeeded, failed = failed + excluded.failed,
  cancelled = cancelled + excluded.cancelled
