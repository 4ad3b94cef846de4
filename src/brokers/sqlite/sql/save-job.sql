-- Writes what may change of a job.
-- Parameters: 25 columns in the order of row.ts, seq
-- Returns: nothing
-- Cost: one row and its indexes
-- Called by: moves.ts

UPDATE jobs SET
  state = ?, flags = ?, lane = ?, pos = ?, due_at = ?, waits = ?, lease_until = ?, worker = ?, token = ?, settled = ?,
  claimed_at = ?, started = ?, begun = ?, started_at = ?, ended_at = ?, prune_at = ?, failures = ?, crashes = ?,
  suspect = ?, reason = ?, result_codec = ?, result = ?, error = ?, attempts = ?, unknown_since = ?
WHERE seq = ?
