-- Records the success of a job that needs no special care, if the token is its live one.
-- Parameters: started_at (ms), ended_at (ms), prune_at (ms), codec and bytes of the result, seq, token
-- Returns: changes one row or none
-- Cost: one row and its indexes
-- Called by: settle.ts, for each plain success

UPDATE jobs SET
  state = 4, lease_until = NULL, started = 0, settled = token * 8, suspect = 0, begun = 1, error = NULL, unknown_since = NULL,
  flags = flags & ~2, started_at = ?, ended_at = ?, prune_at = ?, result_codec = ?, result = ?
WHERE seq = ? AND token = ? AND state = 3 AND (flags & 269) = 0
