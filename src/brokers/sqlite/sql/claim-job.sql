-- Leases a ready job: state, lease and token in one step.
-- Parameters: flags, lease_until (ms), worker, token, claimed_at (ms), started (0 or 1), started_at (ms or null),
--   seq
-- Returns: nothing
-- Cost: one row and its indexes
-- Called by: reserve.ts, for each job

UPDATE jobs SET
  state = 3, lane = NULL, flags = ?, lease_until = ?, worker = ?, token = ?, claimed_at = ?, started = ?, started_at = ?
WHERE seq = ?
