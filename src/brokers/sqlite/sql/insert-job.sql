-- Stores a job unless its id is taken.
-- Parameters: seq, id, state, flags, task, queue, partition, priority, lane, pos, version, created_at (ms), due_at
--   (ms), expires_at (ms), codec, input, rare (JSON), workflow, waits
-- Returns: changes one row or none
-- Cost: one row and its indexes
-- Called by: enqueue.ts, for each job

INSERT INTO jobs (
  seq, id, state, flags, task, queue, partition, priority, lane, pos,
  version, created_at, due_at, expires_at, codec, input, rare, workflow, waits
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO NOTHING
