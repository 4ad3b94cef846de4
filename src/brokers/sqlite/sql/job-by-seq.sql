-- A whole job.
-- Parameters: seq
-- Returns: all columns, in the order of row.ts
-- Cost: one row
-- Called by: as job-by-id

SELECT
  seq, id, state, flags, task, queue, partition, priority, lane, pos,
  version, created_at, due_at, expires_at, codec, input, rare, workflow, waits, lease_until,
  worker, token, settled, claimed_at, started, begun, started_at, ended_at, prune_at, failures,
  crashes, suspect, reason, result_codec, result, error, attempts, progress_codec, progress, unknown_since
FROM jobs WHERE seq = ?
