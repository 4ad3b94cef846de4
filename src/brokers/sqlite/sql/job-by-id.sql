-- A whole job.
-- Parameters: id
-- Returns: all columns, in the order of row.ts
-- Cost: one row
-- Called by: wherever a job needs more than the short ways

SELECT
  seq, id, state, flags, task, queue, partition, priority, lane, pos,
  version, created_at, due_at, expires_at, codec, input, rare, workflow, waits, lease_until,
  worker, token, settled, claimed_at, started, begun, started_at, ended_at, prune_at, failures,
  crashes, suspect, reason, result_codec, result, error, attempts, progress_codec, progress, unknown_since
FROM jobs WHERE id = ?
