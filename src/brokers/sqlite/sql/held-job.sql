-- The job of a live claim.
-- Parameters: id, token
-- Returns: seq, task, queue
-- Cost: one row
-- Called by: settle.ts, for what an attempt writes

SELECT seq, task, queue FROM jobs WHERE id = ? AND token = ? AND state = 3
