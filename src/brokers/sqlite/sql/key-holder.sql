-- Who holds a unique key.
-- Parameters: key
-- Returns: seq, id, state
-- Cost: one row
-- Called by: enqueue.ts

SELECT jobs.seq, jobs.id, jobs.state FROM unique_keys JOIN jobs ON jobs.seq = unique_keys.job WHERE unique_keys.key = ?
