-- The first jobs of a lane, as the claim needs them.
-- Parameters: lane, most
-- Returns: 20 columns in the order of turns.ts
-- Cost: O(most)
-- Called by: lanes.ts, reserve

SELECT
  seq, id, task, priority, flags, failures, crashes, version, created_at, due_at,
  expires_at, begun, started_at, codec, input, rare, partition, unknown_since, progress_codec, progress
FROM jobs INDEXED BY jobs_ready WHERE state = 2 AND lane = ? ORDER BY priority DESC, pos LIMIT ?
